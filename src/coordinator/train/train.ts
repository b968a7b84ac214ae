import { type Moments, weightsSha256 } from '../../shared/checkpoint/checkpoint.ts';
import type { TrainConfig } from '../../shared/config/config.ts';
import type { LossSum } from '../../shared/engine/backend.ts';
import {
  AbandonedError,
  type Executor,
  type StateVersion,
  type StepResult,
  type StepUnderWay,
} from '../../shared/engine/executor.ts';
import type { HashChain } from './hash-chain.ts';
import type { EvaluationRecord, StepObserver, StepRecord, StepTimings } from './observer.ts';
import type { Optimizer } from './optimizer.ts';
import { dueAt } from './schedule.ts';
import type { StateStore } from './state.ts';
import { StepClock } from './step-clock.ts';

/** Steps are begun ahead of the one that is awaited as far as they take no longer than this. */
const AHEAD_SECONDS = 0.02;

export interface Training {
  readonly config: TrainConfig;
  readonly from: StartingPoint;
  /** Ends after this many updates, if not after the last iteration. */
  readonly until?: number;
  readonly executor: Executor;
  /** Holds the state of the starting point. */
  readonly state: StateStore;
  readonly optimizer: Optimizer;
  readonly chain: HashChain;
  /** [test samples]: the class of each. */
  readonly testLabels: Uint8Array;
  readonly observer: Required<Pick<StepObserver, 'onStep' | 'onEvaluation'>>;
  /** Takes a checkpoint of this state, which it copies before it returns. */
  readonly checkpoint: (state: CheckpointState) => void;
  /** Whether somebody has asked for a checkpoint since the last call. */
  readonly checkpointAsked?: () => boolean;
  /** Aborted: the run ends after the steps under way, with a checkpoint. */
  readonly stop: AbortSignal;
  /** Unix milliseconds (default: the system's clock). */
  readonly now?: () => number;
}

/** Where a run begins, or goes on. */
export interface StartingPoint {
  /** Updates done. */
  readonly step: number;
  /** Of the last of them. */
  readonly record?: StepRecord | undefined;
  /** The latest timestamp that a step was given, also one that is computed again: Unix milliseconds. */
  readonly at?: number | undefined;
}

export interface CheckpointState {
  readonly step: number;
  readonly weights: Float32Array;
  readonly optimizer: Moments;
  /** The hash chain's value. */
  readonly chain: string;
}

export interface TrainingResult {
  /** Updates done, those before the starting point included. */
  readonly steps: number;
  /** Of the last step. */
  readonly trainLoss: number | undefined;
  /** Of the last evaluation, and after which step that was. */
  readonly testedAt: number | undefined;
  readonly testAccuracy: number | undefined;
  readonly testLoss: number | undefined;
  readonly weightsSha256: string;
  /** Of the hash chain. */
  readonly chain: string;
  /** Updates done here, and the time in them, without evaluations. */
  readonly trained: { readonly steps: number; readonly seconds: number };
}

/**
 * Trains to the last iteration, or until stopped. Where it fails, what was done before is saved too.
 * @throws NotFiniteError, WorkerError
 */
export async function train(training: Training): Promise<TrainingResult> {
  const { from, state, chain, checkpoint } = training;
  const progress = new TrainingProgress(training);
  try {
    await trainSteps(training, progress);
  } catch (error) {
    if (!(error instanceof AbandonedError)) throw error;
  } finally {
    progress.notify();
    if (progress.steps !== progress.saved) checkpoint(stateAfter(progress.steps, training));
  }
  const { record, evaluated } = progress;
  return {
    steps: progress.steps,
    trainLoss: record?.loss,
    testedAt: evaluated?.step,
    testAccuracy: evaluated?.testAccuracy,
    testLoss: evaluated?.testLoss,
    weightsSha256: weightsSha256(state.current.values),
    chain: chain.value,
    trained: { steps: progress.steps - from.step, seconds: progress.seconds },
  };
}

async function trainSteps(training: Training, progress: TrainingProgress): Promise<void> {
  const { config, state, optimizer, executor, stop, until = config.iterations, now = Date.now } = training;
  const clock = new StepClock(now, training.from.at);
  const underWay: Step[] = [];
  for (let t = progress.steps; t < until && (underWay.length > 0 || !stop.aborted); t++) {
    const start = performance.now();
    const depth = depthFor(executor, progress.record);
    if (underWay.length === 0) underWay.push(begin(training, t, state.current));
    for (let ahead = t + underWay.length; underWay.length < depth && mayFollow(training, ahead); ahead++) {
      underWay.push(begin(training, ahead, (underWay.at(-1) as Step).next));
    }
    // The step before, while the workers compute.
    progress.notify();
    const step = underWay.shift() as Step;
    const result = await step.finish();
    const gradientNorm = optimizer.gradientNorm(t, result);
    const clipped = optimizer.clipped(t, gradientNorm);
    const before = performance.now();
    if (clipped !== undefined) await executor.update(clipped);
    const after = performance.now();
    state.publish(step.next);

    const seconds = (after - start) / 1000;
    const timings = timingsOf(result, { clipping: (after - before) / 1000, at: clock.next() });
    const learningRate = optimizer.learningRate(t);
    progress.advance({ step: t + 1, ...meansOf(result, config), learningRate, gradientNorm, timings }, seconds);
    await evaluateAndCheckpoint(training, progress);
  }
}

/** How far a training has come. */
class TrainingProgress {
  readonly #observer: Training['observer'];
  /** Updates done. */
  steps: number;
  /** Of the last step. */
  record: StepRecord | undefined;
  evaluated: StepRecord | undefined;
  /** The step whose state was last saved. */
  saved: number;
  seconds = 0;
  #pendingRecord: StepRecord | undefined;

  constructor({ from, observer }: Training) {
    this.#observer = observer;
    this.steps = from.step;
    this.saved = from.step;
    this.record = from.record;
    this.evaluated = from.record?.testAccuracy === undefined ? undefined : from.record;
  }

  advance(record: StepRecord, seconds: number): void {
    this.steps = record.step;
    this.seconds += seconds;
    this.record = record;
    this.#pendingRecord = record;
  }

  /** What was found after the last step. */
  addFindings(findings: Findings): void {
    this.record = { ...(this.record as StepRecord), ...findings };
    this.#pendingRecord = this.record;
    if (findings.testAccuracy !== undefined) this.evaluated = this.record;
  }

  /** What was done after the last step, and how long it took. */
  addPhase(phase: 'evaluate' | 'checkpoint', seconds: number): void {
    const { timings } = this.record as StepRecord;
    const phases = { ...timings.phases, [phase]: round(seconds) };
    this.record = { ...(this.record as StepRecord), timings: { ...timings, phases } };
    this.#pendingRecord = this.record;
  }

  /** Tells the observer of the last step, once. */
  notify(): void {
    const record = this.#pendingRecord;
    this.#pendingRecord = undefined;
    if (record !== undefined) this.#observer.onStep(record);
  }
}

type Step = StepUnderWay & { readonly next: StateVersion };

/** Samples, assigns, computes, reduces and applies step t, from the state `current`, which may still be in the making. */
function begin({ executor, state, optimizer }: Training, t: number, current: StateVersion): Step {
  const next = state.take();
  return { next, ...executor.begin({ t, current, next, update: optimizer.update(t) }) };
}

/** Steps to have under way: few enough that a stop, or whoever watches, doesn't wait long. */
function depthFor({ depth }: Executor, last: StepRecord | undefined): number {
  return last === undefined ? 1 : Math.max(1, Math.min(depth, Math.floor(AHEAD_SECONDS / last.timings.total)));
}

/** Whether step t may begin before the one before it is done: not where that has to be clipped or evaluated. */
function mayFollow({ config, stop, until = config.iterations }: Training, t: number): boolean {
  return t < until && config.clipNorm <= 0 && !stop.aborted && !dueAt(config, t).evaluation;
}

function meansOf({ lossSum, correct }: LossSum, { batch }: TrainConfig): Pick<StepRecord, 'loss' | 'accuracy'> {
  return { loss: lossSum / batch, accuracy: correct / batch };
}

/** `clipping`: seconds of updating once more. */
function timingsOf(
  { seconds, phases: before }: StepResult,
  { clipping, at }: { readonly clipping: number; readonly at: number },
): StepTimings {
  const { sample, dispatch, compute, reduce, update, wait } = before;
  const phases = { sample, dispatch, compute, reduce, update: update + clipping, wait };
  const rounded = Object.entries(phases).map(([phase, time]) => [phase, round(time)] as const);
  return { at, total: round(seconds + clipping), phases: Object.fromEntries(rounded) };
}

/** To the microsecond. */
function round(seconds: number): number {
  return Math.round(1e6 * seconds) / 1e6;
}

type Findings = Pick<StepRecord, 'testAccuracy' | 'testLoss' | 'weightsSha256' | 'chain'>;

/** Evaluates, adds a link to the hash chain and takes a checkpoint, each where it is due. */
async function evaluateAndCheckpoint(training: Training, progress: TrainingProgress): Promise<void> {
  const { config, state, chain, checkpoint, checkpointAsked } = training;
  const { steps: step } = progress;
  const due = dueAt(config, step);
  if (due.evaluation || due.checkpoint || due.link) {
    const sha256 = weightsSha256(state.current.values);
    const { loss } = progress.record as StepRecord;
    const link = due.link ? { chain: chain.link({ step, loss, weightsSha256: sha256 }) } : undefined;
    progress.addFindings({ weightsSha256: sha256, ...link });
    // Last: where it fails, the step is saved with all else that belongs to it.
    if (due.evaluation) {
      const { seconds, ...tested } = await evaluate(training, step);
      progress.addFindings(tested);
      progress.addPhase('evaluate', seconds);
    }
  }
  if (checkpointAsked?.() || due.checkpoint) {
    const start = performance.now();
    checkpoint(stateAfter(step, training));
    progress.saved = step;
    progress.addPhase('checkpoint', (performance.now() - start) / 1000);
  }
}

/** The current state: later steps that are under way leave it alone. */
function stateAfter(step: number, { state, chain }: Training): CheckpointState {
  const { values, m, v } = state.current;
  return { step, weights: values, optimizer: { m, v }, chain: chain.value };
}

async function evaluate(
  { executor, state, testLabels, observer }: Training,
  step: number,
): Promise<Omit<EvaluationRecord, 'step'>> {
  const start = performance.now();
  const { lossSum, predictions } = await executor.evaluate(state.current);
  const correct = predictions.reduce((sum, guess, i) => sum + (guess === testLabels[i] ? 1 : 0), 0);
  const seconds = (performance.now() - start) / 1000;
  const result = { testAccuracy: correct / testLabels.length, testLoss: lossSum / testLabels.length, seconds };
  observer.onEvaluation({ step, ...result });
  return result;
}
