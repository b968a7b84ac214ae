/** A fault that tests inject into a worker, once, when it starts on step t or on its slice of the update. */
export interface Fault {
  readonly worker: number;
  readonly t: number;
  readonly phase?: Phase;
  /** exit: process.exit in the thread; throw: an error; stall: continues after `milliseconds`, or when it is released. */
  readonly kind: 'exit' | 'throw' | 'stall';
  readonly milliseconds?: number;
  /** A shared word: STALLED while the worker stalls, until the test stores RELEASED and notifies. */
  readonly release?: Int32Array;
}

export const STALLED = 1;
export const RELEASED = 2;
/** Nobody released the stall within its milliseconds. */
export const EXPIRED = 3;

export type Phase = 'compute' | 'update';

export interface Faults {
  readonly list: readonly Fault[];
  /** A shared word for each, 1 once it was injected: a restarted thread must not meet it again. */
  readonly fired: Int32Array;
}

export function injectFault({ list, fired }: Faults, worker: number, t: number, now: Phase): void {
  for (const [index, { phase = 'compute', ...fault }] of list.entries()) {
    if (phase !== now) continue;
    if (fault.worker !== worker || fault.t !== t || Atomics.exchange(fired, index, 1) === 1) continue;
    if (fault.kind === 'exit') process.exit(3);
    if (fault.kind === 'throw') throw new Error(`injected fault at t = ${t}`);
    const release = fault.release ?? new Int32Array(new SharedArrayBuffer(4));
    Atomics.compareExchange(release, 0, 0, STALLED);
    Atomics.wait(release, 0, STALLED, fault.milliseconds ?? 0);
    Atomics.compareExchange(release, 0, STALLED, EXPIRED);
  }
}
