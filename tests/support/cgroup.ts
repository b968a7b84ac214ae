import { existsSync, mkdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { TestContext } from 'node:test';

/** The files of a controller in a cgroup of this machine's that is mounted by version 1, and in which this process may make others. */
const MOUNTS = '/sys/fs/cgroup';

/**
 * Makes a cgroup below this process's own.
 * @returns a command that runs what is behind it in the cgroup; undefined if none can be made here
 */
export function cgroupWith(
  t: TestContext,
  controller: 'cpu' | 'memory',
  files: Readonly<Record<string, string>>,
): readonly string[] | undefined {
  const folder = join(MOUNTS, controller, ownGroup(controller), `lockstep-test-${process.pid}`);
  try {
    mkdirSync(folder);
  } catch {
    return undefined;
  }
  t.after(() => rmdirSync(folder));
  if (!existsSync(join(folder, 'cgroup.procs'))) return undefined;
  for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, name), text);
  return ['bash', '-c', `echo $$ > '${folder}/cgroup.procs' && exec "$@"`, 'bash'];
}

function ownGroup(controller: string): string {
  const line = readFileSync('/proc/self/cgroup', 'utf8')
    .split('\n')
    .find((each) => each.split(':')[1]?.split(',').includes(controller));
  return line?.split(':').slice(2).join(':') ?? '';
}
