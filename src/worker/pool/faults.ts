/** A fault that tests inject into a worker, once, when it starts on step t or on its slice of the update. */
export interface Fault {
  readonly worker: number;
  readonly t: number;
  readonly phase?: Phase;
  /** exit: process.exit in the thread; throw: an error; stall: works on after `milliseconds`. */
  readonly kind: 'exit' | 'throw' | 'stall';
  readonly milliseconds?: number;
}

export type Phase = 'compute' | 'update';

export interface Faults {
  readonly list: readonly Fault[];
  /** A shared word each, 1 once it has struck: a restarted thread must not meet it again. */
  readonly fired: Int32Array;
}

export function strike({ list, fired }: Faults, worker: number, t: number, now: Phase): void {
  for (const [index, { phase = 'compute', ...fault }] of list.entries()) {
    if (phase !== now) continue;
    if (fault.worker !== worker || fault.t !== t || Atomics.exchange(fired, index, 1) === 1) continue;
    if (fault.kind === 'exit') process.exit(3);
    if (fault.kind === 'throw') throw new Error(`injected fault at t = ${t}`);
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, fault.milliseconds ?? 0);
  }
}
