import { join } from 'node:path';
import { z } from 'zod';
import { NODE_STATES, type NodeView } from '../../shared/live/feed.ts';
import { parseJson } from '../../shared/util/json.ts';
import { readPlainFile } from '../../shared/util/plain-file.ts';
import { replaceFile } from '../../shared/util/replace-file.ts';
import { NODES } from './files.ts';
import type { RunDirectory } from './run-directory.ts';

/** Far more than the most nodes need. */
const MAX_BYTES = 1 << 20;
const MAX_NAME = 256;

const Amount = z.number().nonnegative();

const NodesSchema = z.object({
  nodes: z.array(
    z.object({
      name: z.string().max(MAX_NAME),
      state: z.enum(NODE_STATES),
      ready: Amount,
      starting: Amount,
      speed: Amount,
      processors: Amount,
      memoryBytes: Amount.optional(),
      done: Amount,
      late: Amount,
      lost: Amount,
    }),
  ),
});

/** Replaces what the nodes of the last attempt did and used. @throws the file system's error, RunLockError if another process holds the run */
export async function writeNodes({ path, files }: RunDirectory, nodes: readonly NodeView[]): Promise<void> {
  await replaceFile(join(path, NODES), Buffer.from(`${JSON.stringify({ nodes }, undefined, 2)}\n`), { files });
}

/** What the nodes of the last attempt did and used; undefined if that can't be read, since nothing else depends on it. */
export async function readNodes(run: string): Promise<readonly NodeView[] | undefined> {
  try {
    const json = parseJson(String(await readPlainFile(join(run, NODES), MAX_BYTES)));
    return NodesSchema.safeParse(json).data?.nodes;
  } catch {
    return undefined;
  }
}
