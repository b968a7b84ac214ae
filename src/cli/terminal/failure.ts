import { LockstepError, TEMPORARY } from '../../shared/util/errors.ts';
import { mayPass } from '../../shared/util/may-pass.ts';

const FAILED = 1;

export interface FailureOptions {
  /** Show the stack too. */
  readonly debug: boolean;
  readonly write: (line: string) => void;
}

/**
 * Whether Node failed to load the WebAssembly module of its HTTP client, for lack of memory. Whoever uses the client gets an error of his
 * own; this one comes besides, and nothing catches it.
 */
export function isLoadFailure(error: unknown): boolean {
  return error instanceof RangeError && error.message.includes('Cannot allocate Wasm memory');
}

/**
 * Prints what failed: the message alone if the error is one of ours, since those include what to do.
 * @returns the exit code
 */
export function reportFailure(error: unknown, { debug, write }: FailureOptions): number {
  const stack = error instanceof Error ? error.stack : undefined;
  if (error instanceof LockstepError) for (const line of error.lines) write(line);
  else {
    const message = error instanceof Error ? error.message : String(error);
    write(`Unexpected failure: ${message || 'no reason given'}`);
    if (!debug) write('Set LOCKSTEP_DEBUG=1 to see where it happened.');
  }
  if (debug && stack !== undefined) for (const line of stack.split('\n')) write(line);
  if (error instanceof LockstepError) return error.exitCode;
  return mayPass(error) ? TEMPORARY : FAILED;
}
