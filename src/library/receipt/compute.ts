import { startEngine } from '../../coordinator/engine.ts';
import { HashChain } from '../../coordinator/train/hash-chain.ts';
import { train } from '../../coordinator/train/train.ts';
import type { TrainingResult } from '../../coordinator/train/training-result.ts';
import type { Checkpoint } from '../../shared/checkpoint/checkpoint.ts';
import type { TrainConfig } from '../../shared/config/config.ts';
import { EVALUATION_FIELDS, evaluationIn } from '../../shared/live/step-scalars.ts';
import { NotFiniteError } from '../../shared/util/errors.ts';
import type { RecordedInputs } from '../recorded.ts';
import { place } from '../verify/recompute.ts';
import type { ReadReceipt, ReceiptResult } from './receipt.ts';

/** A value of a receipt that was found otherwise. */
export interface ReceiptDifference {
  readonly field: string;
  /** null: it has none. */
  readonly receipt: number | string | boolean | null;
  readonly found: number | string | boolean | null;
}

export interface ComputeOptions extends RecordedInputs {
  readonly read: ReadReceipt;
  /** The checkpoint to begin from; undefined: weights that are drawn from the seed. */
  readonly start: Checkpoint | undefined;
  readonly onStep: (step: number) => void;
}

type Found = Partial<ReceiptResult>;

/**
 * Trains a receipt's run again, from its beginning or from a checkpoint, and compares the result.
 * @throws WorkerError if workers failed too often
 */
export async function computeReceipt(options: ComputeOptions): Promise<ReceiptDifference[]> {
  const { read, start, workers, kernel, dataset, memory } = options;
  const { result } = read.receipt;
  const config: TrainConfig = { ...read.config, workers, kernel, keepBest: false, checkpointEvery: 0 };
  const engine = startEngine({ config, memory, dataset });
  try {
    place(start, { engine, config });
    const found = await resultOf({ ...options, config, engine });
    const isEvaluated = (start?.step ?? 0) < (result.testedAt ?? Number.POSITIVE_INFINITY);
    const left = isEvaluated ? [] : ['testedAt', ...EVALUATION_FIELDS];
    return differences(result, found, left);
  } catch (error) {
    if (!(error instanceof NotFiniteError)) throw error;
    return [{ field: 'result.steps', receipt: result.steps, found: `not finite at step ${error.step}` }];
  } finally {
    await engine.pool.close();
  }
}

/** The fields in which a receipt's result isn't what was found. */
export function differences(receipt: Found, found: Found, left: readonly string[] = []): ReceiptDifference[] {
  const keys = [...new Set([...Object.keys(receipt), ...Object.keys(found)])].filter((key) => !left.includes(key));
  return keys
    .map((key) => key as keyof Found)
    .filter((key) => receipt[key] !== found[key])
    .map((key) => ({ field: `result.${key}`, receipt: receipt[key] ?? null, found: found[key] ?? null }));
}

interface Work extends ComputeOptions {
  readonly config: TrainConfig;
  readonly engine: ReturnType<typeof startEngine>;
}

async function resultOf({ read, start, onStep, config, engine }: Work): Promise<Found> {
  const { pool: executor, state, optimizer, answers } = engine;
  const { steps, testedAt } = read.receipt.result;
  const chain = new HashChain(start?.chain);
  let step = start?.step ?? 0;
  let validation = start?.validation;
  let evaluated: Found = {};
  let result: TrainingResult | undefined;
  // With --patience every evaluation counts. Without, only the last one has to be made, whatever the interval was.
  const stops = config.patience > 0 || testedAt === undefined ? [steps] : [testedAt, steps];
  for (const until of [...new Set(stops)].filter((each) => each > step)) {
    const evaluateEvery = config.patience > 0 ? config.evaluateEvery : until === testedAt ? until : 0;
    result = await train({
      ...{ executor, state, optimizer, answers, chain, until },
      config: { ...config, evaluateEvery },
      from: { step, validation },
      observer: { onStep: (record) => onStep(record.step), onEvaluation: () => {} },
      checkpoint: (saved) => {
        validation = saved.validation;
      },
      stop: new AbortController().signal,
    });
    if (result.testedAt !== undefined) evaluated = { testedAt: result.testedAt, ...evaluationIn(result) };
    step = result.steps;
  }
  if (result === undefined) return {};
  const { weightsSha256, trainLoss, stoppedEarly } = result;
  return {
    ...{ steps: result.steps, weightsSha256, chain: chain.value },
    ...(trainLoss !== undefined && { trainLoss }),
    ...(stoppedEarly && { stoppedEarly }),
    ...Object.fromEntries(Object.entries(evaluated).filter(([, value]) => Number.isFinite(value))),
  };
}
