import { hostname } from 'node:os';
import { type Notification, type NotificationEvent, Notifier } from '../coordinator/observe/notify/notifier.ts';
import type { RunEvent, StepRecord } from '../coordinator/train/observer.ts';
import { evaluationIn } from '../shared/live/step-scalars.ts';
import { LockstepError, TEMPORARY } from '../shared/util/errors.ts';
import { count, percent } from '../shared/util/figures.ts';
import { mayPass } from '../shared/util/may-pass.ts';
import type { Print } from '../shared/util/notice.ts';
import { callerPath } from '../shared/util/paths.ts';
import { printable } from '../shared/util/printable.ts';
import type { TrainOutcome } from './conclusion.ts';
import type { TrainingJob } from './inputs.ts';
import type { RunObserver, RunStarted } from './observer.ts';

/** A run stalls if it does no step for so long, and for ten times as long as its last step took. In milliseconds. */
const STALL_MS = 300_000;
const STALL_STEPS = 10;
const CHECK_MS = 10_000;
/** How long no checkpoint can be written until somebody is told, in milliseconds. */
const DISK_MS = 60_000;
/** How long the end waits for those that are told, and the same after a stop, in milliseconds. */
const FINISH_MS = 45_000;
const STOPPED_MS = 10_000;

export interface NotificationsOptions {
  readonly notifier: Notifier;
  readonly iterations: number;
  /** A clock that nobody sets, in milliseconds (default: that of `performance`). */
  readonly now?: () => number;
}

/** Tells somebody, by --notify, of a run's end, of its failure, if it stalls, if its disk fails for long, and of signals. */
export class RunNotifications implements RunObserver {
  readonly #notifier: Notifier;
  readonly #iterations: number;
  readonly #now: () => number;
  #run: string | undefined;
  #directory: string | undefined;
  #step = 0;
  /** When the last step was done, or the attempt began. */
  #active = 0;
  #stepMs = 0;
  #isStalled = false;
  #stallTimer: NodeJS.Timeout | undefined;
  /** Since when no checkpoint can be written. */
  #failingSince: number | undefined;
  #isDiskReported = false;
  #stopReason: string | undefined;
  #isOver = false;

  constructor({ notifier, iterations, now = () => performance.now() }: NotificationsOptions) {
    this.#notifier = notifier;
    this.#iterations = iterations;
    this.#now = now;
  }

  onOpen(name: string): void {
    this.#run = name;
  }

  onStart({ run, from }: Pick<RunStarted, 'run' | 'from'>): void {
    this.#directory = run;
    this.#step = from;
    this.#active = this.#now();
    this.#stallTimer = setInterval(() => this.#checkStall(), CHECK_MS).unref();
  }

  onStep({ step, timings }: Pick<StepRecord, 'step' | 'timings'>): void {
    this.#step = step;
    this.#stepMs = 1000 * timings.total;
    this.onEvaluation();
  }

  onEvaluation(): void {
    this.#active = this.#now();
    if (!this.#isStalled) return;
    this.#isStalled = false;
    this.#send('going-on', `trains again, at step ${count(this.#step)}`);
  }

  onEvent(event: RunEvent): void {
    if (event.kind !== 'disk') return;
    if (event.failure === undefined) {
      if (this.#isDiskReported) this.#send('disk-writable', 'can write checkpoints again');
      this.#failingSince = undefined;
      this.#isDiskReported = false;
      return;
    }
    this.#failingSince ??= this.#now();
    if (this.#isDiskReported || this.#now() - this.#failingSince < DISK_MS) return;
    this.#isDiskReported = true;
    const error = { code: 'ERR_WRITE', message: printable(event.failure), exitCode: TEMPORARY };
    this.#send('disk-failing', `trains on, but CAN'T WRITE checkpoints: ${error.message}`, { error });
  }

  onResult(): void {
    clearInterval(this.#stallTimer);
  }

  /** A signal came, or the time of --max-time is over. */
  signal(reason: string): void {
    const isUser = reason.startsWith('SIGUSR');
    if (!isUser) this.#stopReason = reason;
    const what = isUser ? 'takes a checkpoint' : 'stops after this step';
    if (reason.startsWith('SIG')) this.#send('signal', `got ${reason} and ${what}`, { signal: reason });
  }

  /** The run ended, and its directory is closed. */
  ended({ state, result }: TrainOutcome): void {
    this.#step = result.steps;
    this.#directory = result.run;
    const { testAccuracy, testR2, testLoss } = evaluationIn(result);
    const figures = [
      ...(testAccuracy === undefined ? [] : [`test accuracy ${percent(testAccuracy)}`]),
      ...(testR2 === undefined ? [] : [`test R² ${testR2.toFixed(4)}`]),
      ...(testLoss === undefined ? [] : [`test loss ${testLoss.toFixed(4)}`]),
    ];
    const why = state === 'stopped' && this.#stopReason ? ` by ${this.#stopReason}` : '';
    const steps = `${state}${why} after ${count(result.steps)} of ${count(this.#iterations)} steps`;
    this.#end(state, [steps, ...figures].join(', '), { result, signal: why ? this.#stopReason : undefined });
  }

  /** The run failed, or an exception that nothing caught makes it fail. */
  failed(error: unknown): void {
    const text = printable(error instanceof Error ? error.message : String(error));
    const isOurs = error instanceof LockstepError;
    const told = {
      code: isOurs ? error.code : 'ERR_UNEXPECTED',
      message: text,
      exitCode: isOurs ? error.exitCode : mayPass(error) ? TEMPORARY : 1,
    };
    this.#end('failed', `FAILED at step ${count(this.#step)}: ${text}`, { error: told });
  }

  /** Resolves when everything was sent, or given up. */
  finish(): Promise<void> {
    clearInterval(this.#stallTimer);
    return this.#notifier.finish(this.#stopReason === undefined ? FINISH_MS : STOPPED_MS);
  }

  #checkStall(): void {
    const idle = this.#now() - this.#active;
    if (this.#isStalled || idle < Math.max(STALL_MS, STALL_STEPS * this.#stepMs)) return;
    this.#isStalled = true;
    const seconds = Math.round(idle / 1000);
    this.#send('stalled', `has STALLED at step ${count(this.#step)}: no step for ${count(seconds)} s`, { seconds });
  }

  /** Sends how the run ended, once: an uncaught failure is told of at once, and also makes the run fail. */
  #end(event: NotificationEvent, text: string, more: Partial<Notification>): void {
    if (this.#isOver) return;
    this.#isOver = true;
    clearInterval(this.#stallTimer);
    this.#send(event, text, more);
  }

  #send(event: NotificationEvent, what: string, more: Partial<Notification> = {}): void {
    const [host, run] = [hostname(), this.#run];
    const text = `Lockstep: ${run === undefined ? 'a run' : `the run ${run}`} on ${host} ${what.replace(/\.$/, '')}.`;
    const at = new Date().toISOString();
    const where = { host, pid: process.pid, run, directory: this.#directory };
    this.#notifier.send({ event, text, at, ...where, step: this.#step, iterations: this.#iterations, ...more });
  }
}

/** The notifications that a job's --notify asks for; undefined: none. @throws UsageError if it can't be used */
export function notificationsOf({ config, env }: TrainingJob, print: Print): RunNotifications | undefined {
  if (config.notify === undefined) return undefined;
  const notifier = new Notifier({ target: config.notify, cwd: callerPath('.', env), env, print });
  return new RunNotifications({ notifier, iterations: config.iterations });
}
