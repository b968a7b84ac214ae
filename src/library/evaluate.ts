import { dirname } from 'node:path';
import { recordedData } from '../coordinator/run/list.ts';
import { findModel } from '../coordinator/run/saved-model.ts';
import { type Checkpoint, UNKNOWN, weightsSha256 } from '../shared/checkpoint/checkpoint.ts';
import type { Dataset, Split } from '../shared/data/dataset.ts';
import { openDataset } from '../shared/data/open.ts';
import { confusionOf } from '../shared/engine/evaluation.ts';
import type { Evaluation } from '../shared/engine/executor.ts';
import { compileKernel, numericsDigest } from '../shared/engine/wasm/exports.ts';
import { bytesOf, SharedMemory } from '../shared/engine/wasm/memory.ts';
import type { ModelLayout } from '../shared/model/layout.ts';
import type { Print } from '../shared/util/notice.ts';
import type { BackendName } from '../worker/pool/backend.ts';
import { LocalPool } from '../worker/pool/pool.ts';
import { placeInMemory } from '../worker/pool/sample-set.ts';
import { poolSize } from '../worker/pool/setup.ts';

export interface EvaluateOptions {
  /** A checkpoint file or a run directory (default: the newest run below runs/). */
  readonly checkpoint?: string | undefined;
  /** A folder of MNIST's files, or the name of a set such as `synthetic` (default: the set that the weights were trained on). */
  readonly data?: string | undefined;
  readonly backend: BackendName;
  readonly env: NodeJS.ProcessEnv;
  /** Called with notes about the data and the result. */
  readonly print: Print;
}

/** The result of classifying the test set by a checkpoint's weights. */
export interface EvaluationReport {
  readonly checkpoint: string;
  readonly step: number;
  readonly weightsSha256: string;
  /** The data set's name, such as `mnist`. */
  readonly dataset: string;
  /** Share of the test set that was classified correctly, 0..1. */
  readonly testAccuracy: number;
  /** Mean loss over the test set. */
  readonly testLoss: number;
  /** [true class][predicted class]: number of test images. */
  readonly confusion: readonly (readonly number[])[];
  /** Only there if a weight or the loss isn't finite: the figures mean nothing then. */
  readonly notFinite?: true;
}

/**
 * Classifies the test set by a checkpoint's weights.
 * @throws CheckpointError if there is no usable checkpoint, DatasetError if the data set can't be found or used, BackendError if the
 * backend can't be used
 */
export async function evaluate({
  checkpoint: named,
  data,
  backend,
  env,
  print,
}: EvaluateOptions): Promise<EvaluationReport> {
  const { checkpoint, layout, weights } = await findModel(named, { env, print });
  const trainedOn = checkpoint.digests.dataset;
  const recorded = await recordedData(dirname(dirname(checkpoint.file)));
  const dataset = await openDataset({ flag: data, env, print, trainedOn, recorded });
  for (const line of differences(checkpoint, dataset, backend)) print(line);

  const { lossSum, predictions } = await classify(dataset.test, { backend, layout }, weights);
  const confusion = confusionOf(dataset.test.labels, predictions, dataset.classes);
  const correct = confusion.reduce((sum, row, truth) => sum + (row[truth] as number), 0);
  const areFinite = Number.isFinite(lossSum) && weights.every(Number.isFinite);
  return {
    checkpoint: checkpoint.file,
    step: checkpoint.step,
    weightsSha256: weightsSha256(weights),
    dataset: dataset.name,
    testAccuracy: correct / dataset.test.count,
    testLoss: lossSum / dataset.test.count,
    confusion,
    ...(areFinite ? {} : { notFinite: true as const }),
  };
}

/** Notes on why the figures may differ from the run's own. */
function differences({ config, digests }: Checkpoint, dataset: Dataset, backend: BackendName): string[] {
  if (digests.dataset === UNKNOWN) {
    return ['Note: the weights were imported; what they were trained on, and by what, is not known.'];
  }
  const notes: string[] = [];
  const trainedBy = config.backend ?? backend;
  if (trainedBy !== backend) {
    notes.push(`Note: the checkpoint was trained by the backend ${trainedBy}; the loss may differ in its last digits.`);
  }
  if (digests.dataset !== dataset.sha256) notes.push('Note: the checkpoint was trained on another data set.');
  if (digests.numerics !== numericsDigest()) {
    notes.push('Note: the checkpoint was written by other numerics; the loss may differ in its last digits.');
  }
  return notes;
}

/** Classifies by one worker of a pool, so that the loss is summed as it is during training. */
async function classify(
  test: Split,
  { backend, layout }: { readonly backend: BackendName; readonly layout: ModelLayout },
  weights: Float32Array,
): Promise<Evaluation> {
  const shape = { workers: 1, layout, backend, batch: 1, shardSize: 1, testSamples: test.count };
  const others = bytesOf((memory) => {
    memory.bytes(test.images.length);
    memory.bytes(test.labels.length);
    memory.parameters(layout.parameters);
  });
  const memory = new SharedMemory(others + poolSize(shape).reserved);
  const samples = placeInMemory(memory, test);
  const version = { values: memory.parameters(layout.parameters), readers: 0 };
  version.values.set(weights);
  const pool = new LocalPool({
    ...shape,
    memory,
    kernel: compileKernel(),
    train: samples,
    test: samples,
    sampler: { samples: test.count, batch: 1, seed: 0, augment: 'none' },
  });
  try {
    return await pool.evaluate(version);
  } finally {
    await pool.close();
  }
}
