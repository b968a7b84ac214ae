import { setTimeout } from 'node:timers';
import { isLoadFailure, reportFailure } from './terminal/failure.ts';

/** 128 plus the signal's number, as shells report it. */
const EXIT_CODES = { SIGINT: 130, SIGTERM: 143 } as const;
const FAILED = 1;
/** How long a run may take to save itself after an unexpected failure, in milliseconds. */
const SAVE_MS = 60_000;

type StopSignal = keyof typeof EXIT_CODES;

/**
 * The signals of a long-running command. The first SIGINT or SIGTERM asks it to stop; a second one ends the process at once.
 * SIGUSR2 asks for a checkpoint. Until `handle` is called, SIGINT and SIGTERM end the process, and a SIGUSR2 is only remembered.
 */
export class StopSignals {
  readonly #what: string;
  readonly #stop = new AbortController();
  readonly #failure = new AbortController();
  #exitCode = 0;
  #asked = false;
  #print = (_line: string): void => {};

  /** @param what the work that precedes the end, as a text for the user */
  constructor(what = 'finishing this step, then saving') {
    this.#what = what;
    process.on('SIGUSR2', this.#ask);
  }

  /** Aborted by the first SIGINT or SIGTERM. */
  get stop(): AbortSignal {
    return this.#stop.signal;
  }

  /** Aborted by an exception that nothing caught, which is its reason. */
  get failure(): AbortSignal {
    return this.#failure.signal;
  }

  /** The exit code for the signal that came; 0 if none did. */
  get exitCode(): number {
    return this.#exitCode;
  }

  /** Whether a SIGUSR2 came since the last call. */
  readonly checkpointAsked = (): boolean => {
    const was = this.#asked;
    this.#asked = false;
    return was;
  };

  /** Handles SIGINT and SIGTERM from now on. @param print called with a line for each signal, SIGUSR2 included */
  handle(print: (line: string) => void): void {
    this.#print = print;
    process.on('SIGINT', this.#end);
    process.on('SIGTERM', this.#end);
  }

  /** From now on an exception that nothing caught aborts `failure` instead of ending the process, so that the command can save its work. */
  handleExceptions(): void {
    process.on('uncaughtException', this.#fail);
    process.on('unhandledRejection', this.#fail);
  }

  /** Restores the usual meaning of the signals. */
  release(): void {
    process.off('SIGINT', this.#end);
    process.off('SIGTERM', this.#end);
    process.off('SIGUSR2', this.#ask);
    process.off('uncaughtException', this.#fail);
    process.off('unhandledRejection', this.#fail);
  }

  readonly #end = (name: StopSignal): void => {
    if (this.#stop.signal.aborted) process.exit(EXIT_CODES[name]);
    this.#exitCode = EXIT_CODES[name];
    this.#print(`${name}: ${this.#what}. A second signal ends it at once.`);
    this.#stop.abort();
  };

  readonly #ask = (): void => {
    this.#asked = true;
    this.#print('SIGUSR2: a checkpoint is taken after this step.');
  };

  readonly #fail = (error: unknown): void => {
    if (isLoadFailure(error)) return;
    if (this.#failure.signal.aborted) this.#giveUp(error);
    this.#print('An unexpected failure: finishing this step, then saving.');
    this.#failure.abort(error);
    // The failure may keep the step from being finished.
    setTimeout(() => this.#giveUp(error), SAVE_MS).unref();
  };

  #giveUp(error: unknown): never {
    reportFailure(error, { debug: process.env.LOCKSTEP_DEBUG === '1', write: this.#print });
    process.exit(FAILED);
  }
}
