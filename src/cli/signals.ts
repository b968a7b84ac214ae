import { setImmediate, setTimeout } from 'node:timers';
import type { Print } from '../shared/util/notice.ts';
import { startedByNohup } from './hangup.ts';
import { watchNpm } from './npm-parent.ts';
import { print } from './print.ts';
import { isLoadFailure, reportFailure } from './terminal/failure.ts';

/** 128 plus the signal's number, as shells report it. */
const EXIT_CODES = { SIGHUP: 129, SIGINT: 130, SIGTERM: 143 } as const;
/** What schedulers of clusters send before a job's time is over. */
const USER_SIGNALS = ['SIGUSR1', 'SIGUSR2'] as const;
/** How long a run may take to save itself after an unexpected failure, in milliseconds. */
const SAVE_MS = 60_000;
/**
 * Signals that come so soon after the first one are the same request, in milliseconds: Slurm signals a job's steps and their processes,
 * and npm passes on a Ctrl-C that the terminal has sent to its child too.
 */
const REPEAT_MS = 2000;

/** What the end of npm, which started this process, asks to stop; without it, this process ends as at SIGTERM. */
let onNpmEnd = endAsAtTerm;
/** A SIGHUP that was ignored may have ended npm too, which is no reason to stop then. */
let isHungUp = false;

type StopSignal = keyof typeof EXIT_CODES;
type UserSignal = (typeof USER_SIGNALS)[number];

/**
 * Sets what signals do as long as no `StopSignals` handle them. SIGUSR1, at which Node would open its debugger's port, and SIGUSR2 are
 * answered by a line. Under nohup, SIGHUP is ignored.
 */
export function setUsualSignals(): void {
  for (const name of USER_SIGNALS) process.on(name, sayNoCheckpoint);
  if (startedByNohup(process.env)) process.on('SIGHUP', ignore);
}

/** Stops this process once npm, if that started it, has ended: it leaves its child running. */
export function stopWithNpm(): void {
  watchNpm(process.env, () => {
    if (!isHungUp) onNpmEnd();
  });
}

function endAsAtTerm(): void {
  process.kill(process.pid, 'SIGTERM');
}

function sayNoCheckpoint(name: UserSignal): void {
  print(noCheckpoint(name));
}

function noCheckpoint(name: UserSignal): string {
  return `${name}: there is no checkpoint to take here; the work continues.`;
}

function ignore(): void {
  isHungUp = true;
}

/** Is told of what reaches a command. */
export interface SignalWatcher {
  /** A signal that does something. */
  signal(name: StopSignal | UserSignal): void;
  /** An exception that nothing caught. */
  failed(error: unknown): void;
}

export interface StopSignalsOptions {
  /** The work that precedes the end, as a text for the user. */
  readonly what: string;
  /** Whether SIGUSR1 and SIGUSR2 ask for a checkpoint. */
  readonly takesCheckpoints?: boolean;
}

/**
 * The signals of a long-running command. The first SIGINT, SIGTERM or SIGHUP asks it to stop; another SIGINT or SIGTERM, if it isn't a
 * repetition of the first, ends the process at once. SIGUSR1 and SIGUSR2 ask for a checkpoint. Until `handle` is called, the first
 * three have their usual meaning, and that a checkpoint was asked for is only remembered.
 */
export class StopSignals {
  readonly #options: StopSignalsOptions;
  readonly #stop = new AbortController();
  readonly #failure = new AbortController();
  #exitCode = 0;
  #asked = false;
  #repeats: NodeJS.Timeout | undefined;
  #nextEnds = false;
  #print: Print = () => {};
  #watcher: SignalWatcher | undefined;

  constructor(options: StopSignalsOptions) {
    this.#options = options;
    for (const name of USER_SIGNALS) process.on(name, this.#ask).off(name, sayNoCheckpoint);
  }

  /** Aborted by the first SIGINT, SIGTERM or SIGHUP. */
  get stop(): AbortSignal {
    return this.#stop.signal;
  }

  /** Aborted by an exception that nothing caught, which is its reason. */
  get failure(): AbortSignal {
    return this.#failure.signal;
  }

  /** The exit code for the signal that ended the work; 0 if none did. */
  get exitCode(): number {
    return this.#exitCode;
  }

  /** Tells somebody of each signal from now on. */
  watchBy(watcher: SignalWatcher | undefined): void {
    this.#watcher = watcher;
  }

  /** Whether a checkpoint was asked for since the last call. */
  readonly checkpointAsked = (): boolean => {
    const was = this.#asked;
    this.#asked = false;
    return was;
  };

  /** Ignores SIGHUP until `handle` is called. */
  ignoreHangup(): void {
    process.on('SIGHUP', ignore);
  }

  /**
   * Handles the signals from now on.
   * @param print called with a line for each signal
   * @param onHangup what SIGHUP does; undefined: it is ignored under nohup, and asks to stop otherwise
   */
  handle(print: Print, onHangup?: 'stop' | 'ignore'): void {
    this.#print = print;
    onNpmEnd = this.#endWithNpm;
    process.on('SIGINT', this.#end);
    process.on('SIGTERM', this.#end);
    const isIgnored = onHangup === undefined ? startedByNohup(process.env) : onHangup === 'ignore';
    // In this order: without a listener for a moment, the signal would end the process.
    process.on('SIGHUP', isIgnored ? this.#ignoreHangup : this.#end).off('SIGHUP', ignore);
  }

  /** From now on an exception that nothing caught aborts `failure` instead of ending the process, so that the command can save its work. */
  handleExceptions(): void {
    process.on('uncaughtException', this.#fail);
    process.on('unhandledRejection', this.#fail);
  }

  /** Restores the usual meaning of the signals. */
  release(): void {
    setUsualSignals();
    onNpmEnd = endAsAtTerm;
    for (const name of USER_SIGNALS) process.off(name, this.#ask);
    for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.off(name, this.#end);
    process.off('SIGHUP', this.#ignoreHangup);
    process.off('uncaughtException', this.#fail);
    process.off('unhandledRejection', this.#fail);
    clearTimeout(this.#repeats);
  }

  readonly #end = (name: StopSignal): void => {
    // Whoever closes a terminal isn't impatient.
    if (name !== 'SIGHUP') {
      if (this.#nextEnds) process.exit(EXIT_CODES[name]);
      this.#countRepeats();
    }
    this.#askToStop(name, name, ` A second signal, at least ${REPEAT_MS / 1000} seconds later, ends it at once.`);
  };

  #askToStop(why: StopSignal, whyText: string, more = ''): void {
    if (this.#stop.signal.aborted) return;
    this.#exitCode = EXIT_CODES[why];
    this.#print(`${whyText}: ${this.#options.what}.${more}`);
    this.#stop.abort();
    this.#watcher?.signal(why);
  }

  #countRepeats(): void {
    this.#repeats ??= setTimeout(() => {
      // Behind the signals that came while the event loop was busy, or the process suspended: they are taken in between.
      setImmediate(() => {
        this.#nextEnds = true;
      });
    }, REPEAT_MS).unref();
  }

  readonly #endWithNpm = (): void => {
    this.#askToStop('SIGTERM', 'npm, which started this, has ended');
  };

  readonly #ignoreHangup = (): void => {
    isHungUp = true;
    this.#print('SIGHUP: ignored; with --on-hangup stop it would end the work.');
  };

  readonly #ask = (name: UserSignal): void => {
    this.#asked = this.#options.takesCheckpoints === true;
    this.#print(this.#asked ? `${name}: a checkpoint is taken after this step.` : noCheckpoint(name));
    if (this.#asked) this.#watcher?.signal(name);
  };

  readonly #fail = (error: unknown): void => {
    if (isLoadFailure(error)) return;
    if (this.#failure.signal.aborted) this.#giveUp(error);
    this.#print('An unexpected failure: finishing this step, then saving.', 'error');
    this.#failure.abort(error);
    this.#watcher?.failed(error);
    // The failure may keep the step from being finished.
    setTimeout(() => this.#giveUp(error), SAVE_MS).unref();
  };

  #giveUp(error: unknown): never {
    const write = (line: string): void => this.#print(line, 'error');
    process.exit(reportFailure(error, { debug: process.env.LOCKSTEP_DEBUG === '1', write }));
  }
}
