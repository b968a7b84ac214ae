import { dirname } from 'node:path';
import { recordedData } from '../coordinator/run/list.ts';
import type { SavedModel } from '../coordinator/run/saved-model.ts';
import { scoresOf, testAnswers } from '../coordinator/train/test-answers.ts';
import { Inspector } from '../inspect/activations/inspector.ts';
import {
  type Confused,
  classScores,
  confusedPairs,
  labelScores,
  type Rates,
  type Score,
} from '../inspect/scores/class-scores.ts';
import { classifiedParts } from '../inspect/scores/parts.ts';
import { type ValueError, valueErrors } from '../inspect/scores/value-errors.ts';
import { type Checkpoint, knownSamples, UNKNOWN, weightsSha256 } from '../shared/checkpoint/checkpoint.ts';
import { AUGMENT_OPTION } from '../shared/config/augment-option.ts';
import { SCHEDULE_OPTION } from '../shared/config/schedule-option.ts';
import { classesOf, type Dataset, inputKindOf, type Split, scalingOf } from '../shared/data/dataset.ts';
import { openDataset } from '../shared/data/open.ts';
import type { ReadingKey, ReadingOptions } from '../shared/data/source.ts';
import { NO_AUGMENTATION } from '../shared/engine/augmentations/registry.ts';
import { confusionOf } from '../shared/engine/evaluation.ts';
import type { Evaluation as Evaluated } from '../shared/engine/executor.ts';
import { hasNumerics } from '../shared/engine/numerics/numerics.ts';
import { isOptimizer } from '../shared/engine/optimizers/registry.ts';
import { compileInspector, compileKernel } from '../shared/engine/wasm/exports.ts';
import { bytesOf, SharedMemory } from '../shared/engine/wasm/memory.ts';
import type { Evaluation } from '../shared/live/step-scalars.ts';
import { readingOf } from '../shared/model/heads/head.ts';
import { headOf } from '../shared/model/kinds.ts';
import type { ModelLayout } from '../shared/model/layout.ts';
import type { Print } from '../shared/util/notice.ts';
import type { BackendName } from '../worker/pool/backend-name.ts';
import { LocalPool } from '../worker/pool/pool.ts';
import { placeInMemory } from '../worker/pool/sample-set.ts';
import { poolSize } from '../worker/pool/setup.ts';
import { readingFor } from './model.ts';

/** Classes of which there is a matrix, at most: of so many it is some megabytes as JSON. */
const MAX_MATRIX = 1000;

export interface EvaluateOptions {
  /** A data set, a folder or file with one, or the name of one such as `synthetic` (default: the set that the weights were trained on). */
  readonly data?: string | Dataset | undefined;
  /** How it is read, if not as the run read it. */
  readonly reading?: Pick<ReadingOptions, ReadingKey>;
  readonly backend: BackendName;
  readonly env: NodeJS.ProcessEnv;
  /** Called with notes about the data and the result. */
  readonly print: Print;
}

/** What has a name. */
export interface Named {
  /** The class's, the label's or the output's name. */
  readonly name: string;
}

/** The counts and rates of a class or label. */
export type NamedScore = Score & Named;

/** The result of trying the test set by a checkpoint's weights. */
export interface EvaluationReport extends Evaluation {
  readonly checkpoint: string;
  readonly step: number;
  readonly weightsSha256: string;
  /** The data set's name, such as `mnist`. */
  readonly dataset: string;
  readonly samples: number;
  /** Mean loss over the test set. */
  readonly testLoss: number;
  /** Numbers of test samples, [true class][predicted class]; absent if the outputs aren't classes, or are more than 1,000. */
  readonly confusion?: readonly (readonly number[])[];
  /** The pairs of different classes that were confused, the most frequent first; absent if the outputs aren't classes. */
  readonly confused?: readonly Confused[];
  /** Precision, recall and F1 of each class; absent if the outputs aren't classes. */
  readonly perClass?: readonly NamedScore[];
  /** The same of each label; absent if the outputs aren't labels. */
  readonly perLabel?: readonly NamedScore[];
  /** The means of the classes' or labels' rates, over all that a sample has or was said to have. */
  readonly macro?: Rates;
  /** Of numbers, in their own unit: mean absolute error, and root of the mean squared error, over all outputs. */
  readonly testMae?: number;
  readonly testRmse?: number;
  /** The errors of each output; absent if the outputs aren't numbers. */
  readonly perOutput?: readonly (ValueError & Named)[];
  /** Names of the classes; absent if they have numbers, or if the outputs aren't classes. */
  readonly classNames?: readonly string[];
  /** Only there if a weight or the loss isn't finite: the figures mean nothing then. */
  readonly notFinite?: true;
}

/**
 * Tries the test set by a checkpoint's weights.
 * @throws DatasetError if the data set can't be found or used, BackendError if the backend can't be used
 */
export async function evaluate(
  { checkpoint, layout, weights }: SavedModel,
  { data, reading, backend, env, print }: EvaluateOptions,
): Promise<EvaluationReport> {
  const trainedOn = checkpoint.digests.dataset;
  const recorded = await recordedData(dirname(dirname(checkpoint.file)));
  const options = { reading: readingFor(layout, reading), env, print, trainedOn, recorded };
  const dataset = typeof data === 'object' ? data : await openDataset({ ...options, flag: data });
  for (const line of differences(checkpoint, { layout, dataset, backend })) print(line);

  const evaluated = await classify(dataset.test, { backend, layout }, weights);
  const areFinite = Number.isFinite(evaluated.lossSum) && weights.every(Number.isFinite);
  return {
    checkpoint: checkpoint.file,
    step: checkpoint.step,
    weightsSha256: weightsSha256(weights),
    dataset: dataset.name,
    samples: dataset.test.count,
    ...scoresOf(testAnswers(layout, dataset.test), evaluated),
    ...resultsIn(layout, dataset, { evaluated, weights }),
    ...(areFinite ? {} : { notFinite: true as const }),
  };
}

interface Tried {
  readonly evaluated: Evaluated;
  readonly weights: Float32Array;
}

/** What there is to say of each class, label or number. */
function resultsIn(layout: ModelLayout, dataset: Dataset, { evaluated, weights }: Tried): Partial<EvaluationReport> {
  const { classNames, test } = dataset;
  const named = <T>(each: readonly T[]): (T & Named)[] =>
    each.map((own, i) => ({ name: classNames[i] as string, ...own }));
  const reading = readingOf(headOf(layout.spec.head));
  if (reading === 'class') {
    const { predictions } = evaluated;
    const [truths, { classes }] = [classesOf(test), layout];
    const { each, macro } = classScores(truths, predictions, classes);
    const known = knownSamples(dataset).classNames;
    return {
      ...(classes <= MAX_MATRIX && { confusion: confusionOf(truths, predictions, classes) }),
      ...(known && { classNames: known }),
      confused: confusedPairs(truths, predictions, classes),
      perClass: named(each),
      macro,
    };
  }
  const inspector = new Inspector(compileInspector(), layout, { inputs: inputKindOf(test) });
  inspector.setWeights(weights);
  const parts = classifiedParts(inspector, test.inputs);
  const targets = test.targets as Float32Array;
  if (reading === 'labels') {
    const { each, macro } = labelScores(parts, targets, layout.classes).scores;
    return { perLabel: named(each), macro };
  }
  const { mae, rmse, each } = valueErrors(parts, targets, layout.classes, scalingOf(dataset)?.deviation);
  return { testMae: mae, testRmse: rmse, perOutput: named(each) };
}

interface Difference {
  readonly layout: ModelLayout;
  readonly dataset: Dataset;
  readonly backend: BackendName;
}

/** Notes on why the figures may differ from the run's own. */
function differences(
  { config, digests, optimizerName }: Checkpoint,
  { layout, dataset, backend }: Difference,
): string[] {
  if (digests.dataset === UNKNOWN) {
    return ['Note: the weights were imported; what they were trained on, and by what, is not known.'];
  }
  const notes: string[] = [];
  const trainedBy = config.backend ?? backend;
  if (trainedBy !== backend) {
    notes.push(`Note: the checkpoint was trained by the backend ${trainedBy}; the loss may differ in its last digits.`);
  }
  if (digests.dataset !== dataset.sha256) notes.push('Note: the checkpoint was trained on another data set.');
  const augment = AUGMENT_OPTION.safeParse(config.augment).data;
  const replicas = Number(config.replicas ?? 1);
  const schedule = SCHEDULE_OPTION.safeParse(config.schedule).data;
  const isKnown =
    isOptimizer(optimizerName) &&
    hasNumerics(digests.numerics, { layout, optimizer: optimizerName, augment, replicas, schedule });
  if (!isKnown) {
    notes.push('Note: the checkpoint was written by other numerics; the loss may differ in its last digits.');
  }
  return notes;
}

/** Classifies by one worker of a pool, so that the loss is summed as it is during training. */
async function classify(
  test: Split,
  { backend, layout }: { readonly backend: BackendName; readonly layout: ModelLayout },
  weights: Float32Array,
): Promise<Evaluated> {
  const shape = {
    workers: 1,
    layout,
    backend,
    batch: 1,
    shardSize: 1,
    testSamples: test.count,
    augment: NO_AUGMENTATION,
  };
  const others = bytesOf((memory) => {
    memory.allocate(test.inputs.byteLength);
    memory.allocate(test.targets.byteLength);
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
    sampler: { samples: test.count, batch: 1, seed: 0, augment: NO_AUGMENTATION },
  });
  try {
    return await pool.evaluate(version);
  } finally {
    await pool.close();
  }
}
