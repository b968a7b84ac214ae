import { closeSync, fstatSync, openSync, readSync, statSync } from 'node:fs';
import { isatty } from 'node:tty';

const NULL_DEVICE = '/dev/null';
const STDIN = 0;
const STANDARD_FILES = [STDIN, 1, 2];

/**
 * Whether nohup started this process. Node gives SIGHUP its usual meaning back before any program runs, so that it is ignored can't be
 * seen. What remains is the variable `_`, by which most shells tell a command its path and which nohup passes on, and the standard
 * input: in place of a terminal, nohup opens the null device for writing only.
 */
export function startedByNohup(env: NodeJS.ProcessEnv): boolean {
  return env._?.endsWith('/nohup') === true || isUnreadableNull(STDIN);
}

function isUnreadableNull(file: number): boolean {
  try {
    if (fstatSync(file).rdev !== statSync(NULL_DEVICE).rdev) return false;
    // Reading the null device doesn't wait.
    readSync(file, new Uint8Array(1));
    return false;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EBADF';
  }
}

/**
 * Puts the null device in the place of a terminal that was closed, just before the process exits: Node, which then sets the terminal
 * back to its first mode, would abort.
 */
export function leaveClosedTerminal(): void {
  for (const file of STANDARD_FILES) {
    try {
      // A closed terminal is none any more.
      if (!fstatSync(file).isCharacterDevice() || isatty(file)) continue;
      closeSync(file);
      // The lowest free number, which is the one just closed.
      openSync(NULL_DEVICE, 'r+');
    } catch {
      // It is no open file.
    }
  }
}
