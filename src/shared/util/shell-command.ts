import { spawn } from 'node:child_process';
import { once } from 'node:events';
import type { Socket } from 'node:net';
import { printable } from './printable.ts';

/** Characters of a command's last output that an error shows. */
const SHOWN_CHARACTERS = 300;
const MAX_STDERR = 64 * 1024;
/**
 * Runs $1, and ends it with all its processes once descriptor 3 is closed: by this process, or by the system if this process is gone. The
 * shell leads a process group of its own, whose number is its own.
 */
const LEASHED =
  '(cat <&3 >/dev/null; kill -s KILL -- -$$) </dev/null >/dev/null 2>&1 & exec 3<&-; exec /bin/sh -c "$1"';

export interface ShellCommandOptions {
  /** What the command reads on stdin (default: nothing). */
  readonly input?: string;
  readonly cwd?: string | undefined;
  readonly env: NodeJS.ProcessEnv;
  /** Milliseconds after which it is ended. */
  readonly limit: number;
  /** Aborted: the command is ended. */
  readonly stop?: AbortSignal;
}

/**
 * Runs a command by the shell, in a session of its own: a Ctrl-C at the terminal doesn't reach it. It ends with this process at the
 * latest, however that ends, and so do the processes that it leaves behind.
 * @throws Error that says how it failed, without the command
 */
export async function runShellCommand(command: string, options: ShellCommandOptions): Promise<void> {
  const { input = '', cwd, env, limit, stop } = options;
  const child = spawn('/bin/sh', ['-c', LEASHED, 'sh', command], {
    ...{ cwd, env, detached: true, stdio: ['pipe', 'ignore', 'pipe', 'pipe'] },
  });
  const [stdin, , stderr, leash] = child.stdio as unknown as (Socket | undefined)[];
  // A command needn't read its input.
  for (const stream of [stdin, stderr, leash]) stream?.on('error', () => {});
  let said = '';
  stderr?.setEncoding('utf8').on('data', (text: string) => {
    said = (said + text).slice(-MAX_STDERR);
  });
  let ended: string | undefined;
  const end = (why: string): void => {
    ended ??= why;
    leash?.destroy();
  };
  const stopped = (): void => end('it was ended');
  stop?.addEventListener('abort', stopped);
  const timer = setTimeout(() => end(`it ran for more than ${limit / 1000} s`), limit);
  try {
    if (stop?.aborted) stopped();
    stdin?.end(input);
    const [[code, signal]] = await Promise.all([
      once(child, 'exit').finally(() => leash?.destroy()),
      once(child, 'close'),
    ]);
    if (code === 0) return;
    const shown = printable(said.trim()).slice(-SHOWN_CHARACTERS);
    const reason = code === null ? `it was ended by ${signal}` : `it has the exit code ${code}`;
    throw new Error(ended ?? `${reason}${shown && ` (${shown})`}`);
  } finally {
    clearTimeout(timer);
    stop?.removeEventListener('abort', stopped);
  }
}

/** A text as one word of a shell's command line, whatever is in it. */
export function quotedForShell(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}
