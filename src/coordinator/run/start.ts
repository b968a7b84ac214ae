import {
  type Digests,
  encodeCheckpoint,
  knownSamples,
  type TrainingState,
  trainingStateOf,
  weightsSha256,
} from '../../shared/checkpoint/checkpoint.ts';
import { writeCheckpoint } from '../../shared/checkpoint/checkpoint-file.ts';
import { augmentOf } from '../../shared/config/augment-option.ts';
import { bitsOf, type ResolvedTrainConfig, type TrainConfig } from '../../shared/config/config.ts';
import { flagOf } from '../../shared/config/schema.ts';
import type { Dataset } from '../../shared/data/dataset.ts';
import { inputKindOf, shapeOf } from '../../shared/data/dataset.ts';
import { numericsOf } from '../../shared/engine/numerics/numerics.ts';
import type { ModelLayout } from '../../shared/model/layout.ts';
import { modelOf } from '../../shared/model/registry.ts';
import { UsageError } from '../../shared/util/errors.ts';
import type { Print } from '../../shared/util/notice.ts';
import { shownPath } from '../../shared/util/shown-path.ts';
import { CHAIN_START } from '../train/hash-chain.ts';
import type { StartingPoint } from '../train/training.ts';
import { LoggedSteps } from './logged-steps.ts';
import { type Manifest, manifestOf } from './manifest.ts';
import { newestIntact, type Resumed } from './resume.ts';
import type { RunDirectory } from './run-directory.ts';
import { type FindOptions, findModel } from './saved-model.ts';

/** The state of a run at the beginning of an attempt. */
export interface RunStart {
  readonly manifest: Manifest;
  readonly from: StartingPoint;
  /** The hash chain's value. */
  readonly chain: string;
  /** Weights and moments; undefined for initial weights that are drawn from the seed. */
  readonly state: TrainingState | undefined;
}

export interface StartOptions {
  readonly directory: RunDirectory;
  readonly resolved: ResolvedTrainConfig & { readonly id: string };
  readonly dataset: Dataset;
  readonly started: Date;
  readonly metricsUrl: string | undefined;
  readonly print: Print;
}

/**
 * Begins a new run.
 * @param state the weights that `initialState` read; undefined: initial weights are drawn from the seed
 * @throws RunDirectoryError if the first checkpoint can't be written
 */
export async function start(state: TrainingState | undefined, options: StartOptions): Promise<RunStart> {
  const { directory, resolved, dataset } = options;
  const { config } = resolved;
  const layout = modelOf(config);
  const init = state === undefined ? {} : { init: weightsSha256(state.weights) };
  const augment = augmentOf(config, shapeOf(dataset));
  const { optimizer, replicas, schedule } = config;
  const numerics = numericsOf({ layout, optimizer, augment, replicas, schedule, inputs: inputKindOf(dataset.train) });
  const digests: Digests = { dataset: dataset.sha256, numerics, ...init };
  if (state !== undefined) {
    // Written before run.json, so that every run that can be resumed has its initial weights.
    const info = {
      step: 0,
      config: bitsOf(config),
      digests,
      optimizerName: config.optimizer,
      ...knownSamples(dataset),
    };
    const bytes = encodeCheckpoint({ ...state, layout, ...info });
    await writeCheckpoint(directory.checkpoints, bytes, { step: 0, files: directory.files });
  }
  const manifest = await manifestOf({ ...manifestOptions(options), digests, name: directory.name, from: 0 });
  return { manifest, from: { step: 0 }, chain: CHAIN_START, state };
}

/** Continues a run from its newest intact checkpoint. @throws CheckpointError if all that exist are damaged */
export async function continueRun(resumed: Resumed, options: StartOptions): Promise<RunStart> {
  const { manifest: previous } = resumed;
  const layout = modelOf(resumed.config);
  const checkpoint = await newestIntact(resumed, layout, options.print);
  const step = checkpoint?.step ?? 0;
  const { logEvery } = resumed.config;
  const { record, at } = await options.directory.resume(step, { logEvery, logged: new LoggedSteps(previous) });
  const { name, digests } = previous;
  const manifest = await manifestOf({ ...manifestOptions(options), name, digests, from: step, previous });
  const state = checkpoint === undefined ? undefined : trainingStateOf(checkpoint, layout);
  const from = { step, record, at, validation: checkpoint?.validation };
  return { manifest, from, chain: checkpoint?.chain ?? CHAIN_START, state };
}

/**
 * The weights that --init names, with moments of zero for the new run's optimizer; undefined without --init. They are read before
 * the run directory is made, so that a failure leaves nothing behind.
 * @throws CheckpointError if they can't be read, UsageError if they are another model's
 */
export async function initialState(config: TrainConfig, options: FindOptions): Promise<TrainingState | undefined> {
  if (config.init === undefined) return undefined;
  const layout = modelOf(config);
  const { checkpoint, layout: own, weights } = await findModel(config.init, options);
  refuseOtherModel(checkpoint.file, own, layout);
  const zeros = (): Float32Array => new Float32Array(layout.parameters);
  return { weights, optimizer: { m: zeros(), v: zeros() } };
}

/** @throws UsageError if the weights of a checkpoint have no place in the run's model */
function refuseOtherModel(file: string, own: ModelLayout, wanted: ModelLayout): void {
  const [has, needs] = [own, wanted].map(({ tensors }) =>
    tensors.map(({ name, shape }) => `${name} of ${shape.join('x')}`),
  );
  if (has?.join() === needs?.join()) return;
  const [head, other] = [own.spec.head.kind, wanted.spec.head.kind];
  const lacking = needs?.filter((tensor) => !has?.includes(tensor)) ?? [];
  const difference =
    head === other
      ? `lacks ${lacking.join(', ')}`
      : `has the head ${head}, but this run has ${other}: add ${flagOf('head')} ${head}`;
  throw new UsageError(`${flagOf('init')}: ${shownPath(file)} ${difference}. Or name other weights.`);
}

function manifestOptions({ resolved, dataset, started, metricsUrl }: StartOptions) {
  const { id, config, explicit } = resolved;
  return { id, config, explicit, dataset: dataset.name, started, metricsUrl };
}
