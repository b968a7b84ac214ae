import { type Moments, weightsSha256 } from '../shared/checkpoint/checkpoint.ts';
import type { TrainConfig } from '../shared/config.ts';
import type { Executor, Partial } from '../shared/executor.ts';
import type { KernelExports } from '../shared/kernel/exports.ts';
import { reduce } from '../shared/reduction/reduce.ts';
import type { StepObserver, StepRecord } from './observer.ts';
import type { Optimizer, Update } from './optimizer.ts';
import { PhaseClock } from './phases.ts';
import type { WeightStore } from './weights.ts';

/** Evaluated and kept whatever the intervals are: the run's early picture. */
const EARLY_STEP = 100;

export interface Training {
  readonly config: TrainConfig;
  readonly kernel: KernelExports;
  readonly executor: Executor;
  readonly weights: WeightStore;
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
  const { config, kernel, executor, weights, optimizer, observer, stop } = training;
  const root = { begin: 0, end: config.batch / config.shardSize };
  let last: StepRecord | undefined;
  let evaluated: StepRecord | undefined;
  const start = performance.now();
  let aside = 0;
  for (let t = 0; t < config.iterations && !stop.aborted; t++) {
    const clock = new PhaseClock();
    const partials = await executor.gradient({ t, weights: weights.current, nodes: [root] });
    clock.end('compute');
    const sum = reduce(kernel, partials, root);
    clock.end('reduce');
    const next = weights.next();
    const update = optimizer.update(t, sum, weights.current.values, next.values);
    weights.publish(next);
    clock.end('update');

    const stepped = performance.now();
    last = { ...recordOf(t + 1, config, sum, update, clock), ...(await takeStock(training, t + 1)) };
    if (last.testAccuracy !== undefined) evaluated = last;
    aside += performance.now() - stepped;
    observer.onStep(last);
  }
  return {
    steps: last?.step ?? 0,
    trainLoss: last?.loss,
    testAccuracy: evaluated?.testAccuracy,
    testLoss: evaluated?.testLoss,
    weightsSha256: weightsSha256(weights.current.values),
    stepSeconds: (performance.now() - start - aside) / 1000,
  };
}

function recordOf(step: number, { batch }: TrainConfig, sum: Partial, update: Update, clock: PhaseClock): StepRecord {
  return {
    step,
    loss: sum.lossSum / batch,
    accuracy: sum.correct / batch,
    learningRate: update.learningRate,
    gradientNorm: update.gradientNorm,
    timings: clock.timings(),
  };
}

type Stock = Pick<StepRecord, 'testAccuracy' | 'testLoss' | 'weightsSha256'>;

/** Evaluates and takes a checkpoint where they are due. */
async function takeStock(training: Training, step: number): Promise<Stock | undefined> {
  const { config, weights, optimizer, stop } = training;
  const last = step === config.iterations || stop.aborted;
  const due = (every: number): boolean => last || step === EARLY_STEP || (every > 0 && step % every === 0);
  const evaluates = due(config.evaluateEvery);
  const saves = due(config.checkpointEvery);
  if (!evaluates && !saves) return undefined;
  const { values } = weights.current;
  const evaluation = evaluates ? await evaluate(training, step) : undefined;
  if (saves) await training.checkpoint({ step, weights: values, optimizer });
  return { ...evaluation, weightsSha256: weightsSha256(values) };
}

async function evaluate(
  { executor, weights, testLabels, observer }: Training,
  step: number,
): Promise<{ testAccuracy: number; testLoss: number }> {
  const start = performance.now();
  const { lossSum, predictions } = await executor.evaluate(weights.current);
  const correct = predictions.reduce((sum, guess, i) => sum + (guess === testLabels[i] ? 1 : 0), 0);
  const result = { testAccuracy: correct / testLabels.length, testLoss: lossSum / testLabels.length };
  observer.onEvaluation({ step, ...result, seconds: (performance.now() - start) / 1000 });
  return result;
}
