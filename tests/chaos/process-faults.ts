// node --import ./process-faults.js PROGRAM: on SIGURG, which does nothing otherwise, the program does to itself what the file
// $PROCESS_FAULT says, and prints a line once that has really happened.
import { readFileSync } from 'node:fs';
import { getEnvironmentData, isMainThread, setEnvironmentData } from 'node:worker_threads';
import { Mailbox } from '#src/worker/pool/mailbox.js';

/** `stall`: all of its worker threads stop in the middle of a command for so many milliseconds. `setBack`: its wall clock goes back. */
export type ProcessFault =
  | { readonly kind: 'stall'; readonly during: number }
  | { readonly kind: 'setBack'; readonly seconds: number };

export const HAPPENED: Readonly<Record<ProcessFault['kind'], RegExp>> = {
  stall: /^FAULT: \d+ threads stalled/,
  setBack: /^FAULT: the clock was set back/,
};

const KEY = 'lockstep process faults';
/** Words that all threads share: 1 while they stall, threads that stalled, seconds by which the clock is behind. */
const [STALLING, STALLED, BEHIND] = [0, 1, 2];
/** No stall is longer: only a main thread that hangs doesn't end it. */
const MAX_STALL_MS = 60_000;

if (isMainThread) setEnvironmentData(KEY, new SharedArrayBuffer(12));
const words = new Int32Array(getEnvironmentData(KEY) as SharedArrayBuffer);

function stallThreads(): void {
  const { receive } = Mailbox.prototype;
  Mailbox.prototype.receive = function (this: Mailbox, spinMs) {
    const command = receive.call(this, spinMs);
    if (Atomics.load(words, STALLING) === 1) {
      Atomics.add(words, STALLED, 1);
      Atomics.wait(words, STALLING, 1, MAX_STALL_MS);
    }
    return command;
  };
}

function setClock(): void {
  const now = Date.now;
  Date.now = () => now() - 1000 * Atomics.load(words, BEHIND);
  globalThis.Date = new Proxy(Date, {
    construct: (target, args) => Reflect.construct(target, args.length === 0 ? [Date.now()] : args),
  });
}

function inflict(fault: ProcessFault): void {
  if (fault.kind === 'setBack') {
    Atomics.add(words, BEHIND, fault.seconds);
    process.stderr.write(`FAULT: the clock was set back by ${fault.seconds} s\n`);
    return;
  }
  Atomics.store(words, STALLED, 0);
  Atomics.store(words, STALLING, 1);
  setTimeout(() => {
    Atomics.store(words, STALLING, 0);
    Atomics.notify(words, STALLING);
    process.stderr.write(`FAULT: ${Atomics.load(words, STALLED)} threads stalled\n`);
  }, fault.during);
}

setClock();
if (isMainThread)
  process.on('SIGURG', () => inflict(JSON.parse(readFileSync(process.env.PROCESS_FAULT ?? '', 'utf8'))));
else stallThreads();
