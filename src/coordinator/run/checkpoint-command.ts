import { dirname } from 'node:path';
import type { Registry } from 'prom-client';
import type { Print } from '../../shared/util/notice.ts';
import { quotedForShell, runShellCommand } from '../../shared/util/shell-command.ts';
import { collectedCounter } from '../observe/prometheus/collected.ts';
import type { CheckpointRecord, StepObserver } from '../train/observer.ts';

/** The longest time that one command may take. */
const LIMIT_MS = 3_600_000;
/** The longest wait for the last command after a run's end, and after a stop or a failure. */
const FINISH_MS = 600_000;
const STOPPED_MS = 20_000;
const OUTCOMES = ['succeeded', 'failed', 'skipped'] as const;

export interface CheckpointCommandOptions {
  /** {file}, {run} and {step} in it stand for the checkpoint's file, the run directory and the step. */
  readonly command: string;
  /** Where it runs (default: here). */
  readonly cwd?: string | undefined;
  readonly env: NodeJS.ProcessEnv;
  readonly print: Print;
}

type Saved = Pick<CheckpointRecord, 'step' | 'file'>;

/**
 * Runs the command of --checkpoint-command for each checkpoint that is on the disk, beside the steps and one at a time. While one
 * runs, the newest checkpoint waits, and older ones that wait are skipped.
 */
export class CheckpointCommand implements StepObserver {
  readonly #options: CheckpointCommandOptions;
  readonly #counts = { succeeded: 0, failed: 0, skipped: 0 };
  readonly #stop = new AbortController();
  #waiting: Saved | undefined;
  #last: Saved | undefined;
  #running: Promise<void> | undefined;
  #isHeld = false;
  /** Failures since the last success. */
  #failures = 0;

  constructor(options: CheckpointCommandOptions) {
    this.#options = options;
  }

  /** Checkpoints by outcome. */
  get counts(): Readonly<Record<(typeof OUTCOMES)[number], number>> {
    return this.#counts;
  }

  /** Registers its metrics; they are read at each scrape. */
  register(registry: Registry): void {
    collectedCounter(registry, {
      name: 'lockstep_checkpoint_commands_total',
      help:
        'Checkpoints by what --checkpoint-command did with them: succeeded, failed, or skipped (it was still busy with an older one, ' +
        'and a newer one was there when it ended).',
      labelNames: ['outcome'],
      samples: () => OUTCOMES.map((outcome) => ({ labels: { outcome }, value: this.#counts[outcome] })),
    });
  }

  onCheckpoint({ step, file }: CheckpointRecord): void {
    if (this.#waiting !== undefined) this.#counts.skipped++;
    this.#waiting = { step, file };
    this.#work();
  }

  /** From now on checkpoints wait for `finish`: the last command then finds a run directory that is complete. */
  hold(): void {
    this.#isHeld = true;
  }

  /**
   * Runs the command for the last checkpoint, and waits for it: ten minutes at most, 20 seconds after a stop. Then it is ended.
   * @param stop may be aborted meanwhile
   */
  async finish(stop: AbortSignal): Promise<void> {
    const ends = (ms: number): NodeJS.Timeout => setTimeout(() => this.#stop.abort(), ms);
    const timers = [ends(FINISH_MS)];
    const stopped = (): void => void timers.push(ends(STOPPED_MS));
    if (stop.aborted) stopped();
    else stop.addEventListener('abort', stopped, { once: true });
    this.#isHeld = false;
    // The run directory has changed since: run.json has the result now.
    if (this.#options.command.includes('{run}')) this.#waiting ??= this.#last;
    this.#work();
    if (this.#running !== undefined) this.#options.print('The checkpoint command is waited for.');
    while (this.#running !== undefined) await this.#running;
    stop.removeEventListener('abort', stopped);
    for (const timer of timers) clearTimeout(timer);
  }

  #work(): void {
    if (this.#running !== undefined || this.#isHeld || this.#waiting === undefined) return;
    const saved = this.#waiting;
    this.#waiting = undefined;
    this.#last = saved;
    this.#running = this.#run(saved).finally(() => {
      this.#running = undefined;
      this.#work();
    });
  }

  async #run(saved: Saved): Promise<void> {
    const { command, cwd, env, print } = this.#options;
    try {
      if (this.#stop.signal.aborted) throw new Error('there was no time left for it');
      await runShellCommand(filledIn(command, saved), { cwd, env, limit: LIMIT_MS, stop: this.#stop.signal });
      this.#counts.succeeded++;
      if (this.#failures > 0) print(`The checkpoint command succeeds again, for step ${saved.step}.`);
      this.#failures = 0;
    } catch (error) {
      this.#counts.failed++;
      this.#failures++;
      // Another place may be away for days, so only failures 1, 2, 4, 8 and so on are printed.
      if (!Number.isInteger(Math.log2(this.#failures))) return;
      print(`The checkpoint command FAILED for step ${saved.step}: ${(error as Error).message}.`, 'warn');
    }
  }
}

function filledIn(command: string, { step, file }: Saved): string {
  const values: Readonly<Record<string, string>> = {
    '{file}': quotedForShell(file),
    '{run}': quotedForShell(dirname(dirname(file))),
    '{step}': String(step),
  };
  return command.replaceAll(/\{(?:file|run|step)\}/g, (key) => values[key] as string);
}
