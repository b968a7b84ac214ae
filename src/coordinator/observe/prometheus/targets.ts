// A file for Prometheus' file discovery: https://prometheus.io/docs/prometheus/latest/configuration/configuration/#file_sd_config
import { hostname } from 'node:os';
import { z } from 'zod';
import { RunDirectoryError } from '../../../shared/util/errors.ts';
import { parseJson } from '../../../shared/util/json.ts';
import { readPlainFile } from '../../../shared/util/plain-file.ts';
import { isProcessThere } from '../../../shared/util/process-there.ts';
import { reachable } from '../../../shared/util/reachable.ts';
import { replaceFile } from '../../../shared/util/replace-file.ts';
import { shownPath } from '../../../shared/util/shown-path.ts';
import type { OutputKind } from '../../run/output.ts';
import { whileLocked } from '../../run/run-lock.ts';

/** Prometheus drops labels that begin so once it has chosen its targets, so that series don't have them. */
const HOST = '__lockstep_host';
const PID = '__lockstep_pid';

const Group = z.looseObject({ targets: z.array(z.string()), labels: z.record(z.string(), z.string()).optional() });
type Group = z.output<typeof Group>;
const Groups = z.array(Group);

/** Some hundred runs. */
const MAX_BYTES = 1 << 16;

/** The file, by which an earlier one is known. */
export const TARGETS: OutputKind = {
  title: "a list of targets for Prometheus' file discovery",
  isOwn: (ends) => groupsIn(String(ends)) !== undefined,
};

export interface Target {
  /** Removes it from the file. @throws RunDirectoryError if that can't be written */
  remove(): Promise<void>;
}

/**
 * Adds the address of a run's metrics to a file that several runs may share. Those of processes of this machine that have ended are
 * removed, and so are others of that address; all other entries stay.
 * @param url without a path
 * @throws RunDirectoryError if the file can't be written
 */
export async function addTarget(file: string, url: string): Promise<Target> {
  const address = new URL(reachable(url)).host;
  const labels = { [HOST]: hostname(), [PID]: String(process.pid) };
  const isOther = ({ targets, labels = {} }: Group): boolean => !targets.includes(address) && !hasEnded(labels);
  await change(file, (groups) => [...groups.filter(isOther), { targets: [address], labels }]);
  return { remove: () => change(file, (groups) => groups.filter(isOther)) };
}

function hasEnded({ [HOST]: host, [PID]: pid }: Readonly<Record<string, string>>): boolean {
  if (host !== hostname() || pid === undefined || !/^\d{1,10}$/.test(pid)) return false;
  return !isProcessThere(Number(pid));
}

async function change(file: string, groupsAfter: (groups: readonly Group[]) => readonly Group[]): Promise<void> {
  try {
    await whileLocked(`${file}.lock`, async () => {
      const text = await readPlainFile(file, MAX_BYTES).catch((error: NodeJS.ErrnoException) => {
        if (error.code === 'ENOENT') return '';
        throw error;
      });
      const groups = groupsIn(String(text));
      if (groups === undefined) throw new Error(`it isn't ${TARGETS.title}`);
      await replaceFile(file, Buffer.from(`${JSON.stringify(groupsAfter(groups), undefined, 2)}\n`));
    });
  } catch (cause) {
    const { message } = cause as Error;
    throw new RunDirectoryError(
      `--metrics-targets: ${shownPath(file)} can't be written: ${message}. Name another file.`,
      {
        cause,
      },
    );
  }
}

/** @returns undefined if the text is no list of targets; an empty one is an empty list */
function groupsIn(text: string): readonly Group[] | undefined {
  if (text.trim() === '') return [];
  try {
    return Groups.safeParse(parseJson(text)).data;
  } catch {
    return undefined;
  }
}
