import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { setInterval } from 'node:timers';
import { isProcessThere } from '../shared/util/process-there.ts';

/** Milliseconds between two looks at npm. */
const LOOK_MS = 500;

/**
 * Calls `onEnd` once npm, which started this process, has ended: it may leave its child running, and a shell between them too. Does
 * nothing if something else started this process, such as a script that npm runs.
 */
export function watchNpm(env: NodeJS.ProcessEnv, onEnd: () => void): void {
  const script = env.npm_lifecycle_script;
  // A script that ends so leaves its command behind on purpose.
  if (env.npm_lifecycle_event === undefined || script === undefined || /&\s*$/.test(script)) return;
  const parent = process.ppid;
  const found = lookAt(parent);
  if (found === undefined) return;
  const isShell = new RegExp(`^\\S*sh -c (-- )?${escaped(script)}`).test(found.command);
  if (!isShell && !/^npm(\s|$)|[/\\]npm-cli\.js|[/\\]npx-cli\.js/.test(found.command)) return;
  const npm = isShell ? found.parent : parent;
  const timer = setInterval(() => {
    if (process.ppid === parent && isProcessThere(npm) && !(isShell && isLeft(parent, npm))) return;
    clearInterval(timer);
    // A hang-up that ended npm may be on its way to this process.
    setTimeout(onEnd, LOOK_MS).unref();
  }, LOOK_MS).unref();
}

function escaped(text: string): string {
  return text.replaceAll(/[.*+?^${}()|[\]\\]/g, '\\$&');
}

/** Whether the shell has another parent by now. What has ended may be there until somebody asks for its exit code. */
function isLeft(shell: number, npm: number): boolean {
  return process.platform === 'linux' && lookAt(shell)?.parent !== npm;
}

interface Process {
  readonly parent: number;
  /** Its words, with spaces between them. */
  readonly command: string;
}

/** @returns undefined if there is no such process, or this system doesn't tell */
function lookAt(pid: number): Process | undefined {
  try {
    if (process.platform === 'linux') {
      const status = readFileSync(`/proc/${pid}/status`, 'utf8');
      const command = readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ').trim();
      return { parent: Number(/^PPid:\s*(\d+)$/m.exec(status)?.[1]), command };
    }
    const line = execFileSync('ps', ['-o', 'ppid=,command=', '-p', String(pid)], { encoding: 'utf8' });
    const [, parent, command = ''] = /^\s*(\d+)\s+(.*)/.exec(line) ?? [];
    return parent === undefined ? undefined : { parent: Number(parent), command };
  } catch {
    return undefined;
  }
}
