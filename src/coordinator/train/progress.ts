import { weightsSha256 } from '../../shared/checkpoint/checkpoint.ts';
import {
  afterEvaluation,
  bestBy,
  NOT_VALIDATED,
  stopsEarly,
  type ValidationState,
} from '../../shared/checkpoint/validation-state.ts';
import type { LocalStep } from '../../shared/engine/round-figures.ts';
import { evaluationIn, isEvaluated } from '../../shared/live/step-scalars.ts';
import type { StepRecord, StepTimings } from './observer.ts';
import type { Round } from './round.ts';
import type { Due } from './schedule.ts';
import { StepClock } from './step-clock.ts';
import { scoresOf } from './test-answers.ts';
import type { Training } from './training.ts';
import type { TrainingResult } from './training-result.ts';

/** The progress of a training: the record of its last step, its evaluations, hash chain and checkpoints. */
export class TrainingProgress {
  readonly #training: Training;
  readonly #clock: StepClock;
  #record: StepRecord | undefined;
  /** The record of the last step that was evaluated. */
  #evaluated: StepRecord | undefined;
  #validation: ValidationState;
  /** Updates done. */
  #steps: number;
  /** The step whose state was last saved. */
  #saved: number;
  /** Time in steps, without evaluations. */
  #seconds = 0;
  /** The last step's record until the observer has received it. */
  #pending: StepRecord | undefined;

  constructor(training: Training) {
    const { from, now = Date.now } = training;
    this.#training = training;
    this.#clock = new StepClock(now, from.at);
    this.#steps = from.step;
    this.#saved = from.step;
    this.#record = from.record;
    this.#evaluated = isEvaluated(from.record) ? from.record : undefined;
    this.#validation = from.validation ?? NOT_VALIDATED;
  }

  /** Records the steps of a round that has been applied. */
  advance(round: Round, steps: readonly LocalStep[]): void {
    const { config, optimizer, answers } = this.#training;
    const each = timesOf(round);
    this.#seconds += round.waitedSeconds;
    for (const [step, { lossSum, correct, gradientNorm }] of steps.entries()) {
      this.notify();
      this.#steps = round.t + step + 1;
      this.#set({
        step: this.#steps,
        loss: lossSum / config.batch,
        ...(answers.right !== undefined && { accuracy: correct / config.batch }),
        learningRate: optimizer.learningRate(round.t + step),
        gradientNorm,
        ...(round.divergence !== undefined && { replicaDivergence: round.divergence }),
        timings: { at: this.#clock.next((round.end - this.#steps) * 1000 * each.total), ...each },
      });
    }
  }

  /** Computes the hash of the weights and, if one is due, adds a link to the hash chain. */
  hash({ link }: Pick<Due, 'link'>): void {
    const { state, chain } = this.#training;
    const { step, loss } = this.#last;
    const sha256 = weightsSha256(state.current.values);
    const linked = link ? { chain: chain.link({ step, loss, weightsSha256: sha256 }) } : undefined;
    this.#set({ ...this.#last, weightsSha256: sha256, ...linked });
  }

  /** Evaluates the test set and the validation samples with the current weights. @throws WorkerError, AbandonedError as a step does */
  async evaluate(): Promise<void> {
    const { executor, state, observer, answers } = this.#training;
    const start = performance.now();
    const evaluated = await executor.evaluate(state.current, this.#steps);
    const seconds = (performance.now() - start) / 1000;
    const found = scoresOf(answers, evaluated);
    observer.onEvaluation({ step: this.#steps, ...found, seconds });
    this.#set({ ...this.#last, ...found });
    this.#addPhase('evaluate', seconds);
    this.#evaluated = this.#record;
    this.#validation = afterEvaluation(this.#validation, this.#last);
  }

  /** Whether no evaluation was better than that of the last step, by what --keep-best goes by. */
  get isBest(): boolean {
    return this.#best?.step === this.#steps;
  }

  /** Whether the run is over before its last iteration, since too many evaluations had no lower validation loss. */
  get stopsEarly(): boolean {
    return stopsEarly(this.#validation, this.#steps, this.#training.config);
  }

  /** Saves the state after the last step. */
  checkpoint(): void {
    const start = performance.now();
    this.#save();
    this.#addPhase('checkpoint', (performance.now() - start) / 1000);
  }

  /** Saves the state after the last step if it isn't saved yet. */
  saveLast(): void {
    if (this.#steps !== this.#saved) this.#save();
  }

  /** Passes the last step's record to the observer, once. */
  notify(): void {
    const record = this.#pending;
    this.#pending = undefined;
    if (record !== undefined) this.#training.observer.onStep(record);
  }

  /**
   * Evaluates the last step, for which that is due, if an earlier attempt abandoned it. Its line is in the log already, so that the
   * observer isn't notified of the step again.
   */
  async evaluateAbandoned(): Promise<void> {
    if (this.#record === undefined || this.#evaluated?.step === this.#steps) return;
    await this.evaluate();
    this.#pending = undefined;
  }

  /** @param complete whether nothing was abandoned */
  result(complete: boolean): TrainingResult {
    const { from, state, chain } = this.#training;
    return {
      steps: this.#steps,
      complete,
      trainLoss: this.#record?.loss,
      testedAt: this.#evaluated?.step,
      ...evaluationIn(this.#evaluated),
      best: this.#best,
      stoppedEarly: this.stopsEarly,
      weightsSha256: weightsSha256(state.current.values),
      chain: chain.value,
      trained: { steps: this.#steps - from.step, seconds: this.#seconds },
    };
  }

  get #best(): ValidationState['best'] {
    return bestBy(this.#training.config.keepBest, this.#validation);
  }

  get #last(): StepRecord {
    return this.#record as StepRecord;
  }

  #set(record: StepRecord): void {
    this.#record = record;
    this.#pending = record;
  }

  /** Adds the time of work after the last step to its phases. */
  #addPhase(phase: 'evaluate' | 'checkpoint', seconds: number): void {
    const { timings } = this.#last;
    const phases = { ...timings.phases, [phase]: toMicroseconds(seconds) };
    this.#set({ ...this.#last, timings: { ...timings, phases } });
  }

  #save(): void {
    // Later steps that are under way never write the current state.
    const { state, chain, checkpoint, answers } = this.#training;
    const { values, m, v } = state.current;
    const validation = answers.validation && this.#validation;
    checkpoint({ step: this.#steps, weights: values, optimizer: { m, v }, chain: chain.value, validation });
    this.#saved = this.#steps;
  }
}

/** The times of each step of a round: equal parts of the round's. */
function timesOf({ t, end, seconds, phases }: Round): Omit<StepTimings, 'at'> {
  const { sample = 0, dispatch = 0, compute = 0, reduce = 0, update = 0, wait = 0 } = phases ?? {};
  const steps = end - t;
  const rounded = {
    sample: toMicroseconds(sample / steps),
    dispatch: toMicroseconds(dispatch / steps),
    compute: toMicroseconds(compute / steps),
    reduce: toMicroseconds(reduce / steps),
    update: toMicroseconds(update / steps),
    wait: toMicroseconds(wait / steps),
  };
  return { total: toMicroseconds(seconds / steps), phases: rounded };
}

function toMicroseconds(seconds: number): number {
  return Math.round(1e6 * seconds) / 1e6;
}
