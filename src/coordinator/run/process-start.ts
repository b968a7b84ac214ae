import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { promisify } from 'node:util';

/** A text that distinguishes a process from a later one with the same pid; undefined if the system doesn't provide one. */
export async function processStart(pid: number): Promise<string | undefined> {
  try {
    if (process.platform !== 'linux') {
      // The language and time zone are fixed so that the same process always has the same text.
      const env = { ...process.env, LC_ALL: 'C', TZ: 'UTC' };
      const { stdout } = await promisify(execFile)('ps', ['-o', 'lstart=', '-p', String(pid)], { env });
      return stdout.trim() || undefined;
    }
    const line = await readFile(`/proc/${pid}/stat`, 'utf8');
    // Field 2, the command's name in parentheses, may hold spaces and parentheses; field 3 follows the last one.
    const fields = line.slice(line.lastIndexOf(')') + 2).split(' ');
    // A zombie keeps its pid until its parent collects its exit status, which may never happen in a container.
    if (fields[0] === 'Z') return 'ended';
    return `${(await readFile('/proc/sys/kernel/random/boot_id', 'utf8')).trim()}:${fields[19]}`;
  } catch {
    return undefined;
  }
}
