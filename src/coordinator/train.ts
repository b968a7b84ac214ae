import type { LossSum } from '../shared/backends/backend.ts';
import { type Moments, weightsSha256 } from '../shared/checkpoint/checkpoint.ts';
import type { TrainConfig } from '../shared/config.ts';
import type { Executor, StateVersion, StepResult, StepUnderWay } from '../shared/executor.ts';
import type { StepObserver, StepRecord, StepTimings } from './observer.ts';
import type { Optimizer } from './optimizer.ts';
import type { StateStore } from './state.ts';

/** Evaluated and kept whatever the intervals are: the run's early picture. */
const EARLY_STEP = 100;
/** Steps are begun ahead of the one that is awaited as far as they take no longer than this. */
const AHEAD_SECONDS = 0.02;

export interface Training {
  readonly config: TrainConfig;
  readonly executor: Executor;
  readonly state: StateStore;
  readonly optimizer: Optimizer;
  /** [test samples]: the class of each. */
  readonly testLabels: Uint8Array;
  readonly observer: Required<Pick<StepObserver, 'onStep' | 'onEvaluation'>>;
  /** Takes a checkpoint of this state, which holds still until the promise that is returned resolves. */
  readonly checkpoint: (state: CheckpointState) => Promise<void>;
  /** Aborted: the run ends after the step under way, with a checkpoint. */
  readonly stop: AbortSignal;
}

export interface CheckpointState {
  readonly step: number;
  readonly weights: Float32Array;
  readonly optimizer: Moments;
}

export interface TrainingResult {
  /** Updates done. */
  readonly steps: number;
  /** Of the last step. */
  readonly trainLoss: number | undefined;
  /** Of the last evaluation. */
  readonly testAccuracy: number | undefined;
  readonly testLoss: number | undefined;
  readonly weightsSha256: string;
  /** Time in steps, without evaluation and checkpoints. */
  readonly stepSeconds: number;
}

/**
 * Trains from the current weights to the last iteration, or until stopped.
 * @throws NotFiniteError, WorkerError
 */
export async function train(training: Training): Promise<TrainingResult> {
  const { config, state, optimizer, executor, observer, stop } = training;
  let last: StepRecord | undefined;
  let evaluated: StepRecord | undefined;
  let stepSeconds = 0;
  const underWay: Step[] = [];
  for (let t = 0; t < config.iterations && (underWay.length > 0 || !stop.aborted); t++) {
    const start = performance.now();
    const depth = depthFor(executor, last);
    if (underWay.length === 0) underWay.push(begin(training, t, state.current));
    for (let ahead = t + underWay.length; underWay.length < depth && mayFollow(training, ahead); ahead++) {
      underWay.push(begin(training, ahead, (underWay.at(-1) as Step).next));
    }
    // The step before, while the workers compute.
    if (last !== undefined) observer.onStep(last);
    const step = underWay.shift() as Step;
    const result = await step.finish();
    const gradientNorm = optimizer.gradientNorm(t, result);
    const clipped = optimizer.clipped(t, gradientNorm);
    if (clipped !== undefined) await executor.update(clipped);
    state.publish(step.next);

    stepSeconds += (performance.now() - start) / 1000;
    const timings = timingsOf(result);
    last = { step: t + 1, ...meansOf(result, config), learningRate: optimizer.learningRate(t), gradientNorm, timings };
    last = { ...last, ...(await takeStock(training, t + 1, () => underWay.length === 0 && stop.aborted)) };
    if (last.testAccuracy !== undefined) evaluated = last;
  }
  if (last !== undefined) observer.onStep(last);
  return {
    steps: last?.step ?? 0,
    trainLoss: last?.loss,
    testAccuracy: evaluated?.testAccuracy,
    testLoss: evaluated?.testLoss,
    weightsSha256: weightsSha256(state.current.values),
    stepSeconds,
  };
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

/** Whether step t may begin before the one before it is done: not where this thread has to see the state in between. */
function mayFollow({ config, stop }: Training, t: number): boolean {
  return t < config.iterations && config.clipNorm <= 0 && !stop.aborted && !isDue(config, t).any;
}

function meansOf({ lossSum, correct }: LossSum, { batch }: TrainConfig): Pick<StepRecord, 'loss' | 'accuracy'> {
  return { loss: lossSum / batch, accuracy: correct / batch };
}

/** What the slowest worker spent neither computing nor updating, it waited: for the others, or to be told. */
function timingsOf({ seconds: { total, compute, update } }: StepResult): StepTimings {
  const wait = Math.max(0, Math.round(1e6 * (total - compute - update)) / 1e6);
  return { total, phases: { compute, update, wait } };
}

type Stock = Pick<StepRecord, 'testAccuracy' | 'testLoss' | 'weightsSha256'>;

function isDue(config: TrainConfig, step: number): { evaluation: boolean; checkpoint: boolean; any: boolean } {
  const due = (every: number): boolean =>
    step === config.iterations || step === EARLY_STEP || (every > 0 && step % every === 0);
  const [evaluation, checkpoint] = [due(config.evaluateEvery), due(config.checkpointEvery)];
  return { evaluation, checkpoint, any: evaluation || checkpoint };
}

/** Evaluates and takes a checkpoint where they are due; both where the run ends here. */
async function takeStock(training: Training, step: number, stopped: () => boolean): Promise<Stock | undefined> {
  const due = isDue(training.config, step);
  if (!due.any && !stopped()) return undefined;
  const { values, m, v } = training.state.current;
  const evaluation = due.evaluation || stopped() ? await evaluate(training, step) : undefined;
  // The signal may have come during the evaluation.
  if (due.checkpoint || stopped()) await training.checkpoint({ step, weights: values, optimizer: { m, v } });
  return { ...evaluation, weightsSha256: weightsSha256(values) };
}

async function evaluate(
  { executor, state, testLabels, observer }: Training,
  step: number,
): Promise<{ testAccuracy: number; testLoss: number }> {
  const start = performance.now();
  const { lossSum, predictions } = await executor.evaluate(state.current);
  const correct = predictions.reduce((sum, guess, i) => sum + (guess === testLabels[i] ? 1 : 0), 0);
  const result = { testAccuracy: correct / testLabels.length, testLoss: lossSum / testLabels.length };
  observer.onEvaluation({ step, ...result, seconds: (performance.now() - start) / 1000 });
  return result;
}
