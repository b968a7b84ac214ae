import { basename } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { type Checkpoint, trainingStateOf, weightsSha256 } from '../../shared/checkpoint/checkpoint.ts';
import { checkpointName, readCheckpoint } from '../../shared/checkpoint/checkpoint-file.ts';
import { bitsOf } from '../../shared/config/config.ts';
import { mayChange } from '../../shared/config/resume-config.ts';
import { optimizerOf } from '../../shared/engine/optimizers/registry.ts';
import type { ModelLayout } from '../../shared/model/layout.ts';
import { canonicalJson } from '../../shared/util/canonical-json.ts';
import { ForeignCheckpointError, RunDirectoryError } from '../../shared/util/errors.ts';
import { CHAIN_START } from '../train/hash-chain.ts';
import type { StepRecord } from '../train/observer.ts';
import { STEPS, stepsFile } from './files.ts';
import { type Attempt, attemptOf, type Manifest, readManifest } from './manifest.ts';
import { recordsAt } from './step-parts.ts';

/** A run in whose directory checkpoints lie. */
export interface CheckpointedRun {
  readonly path: string;
  readonly manifest: Manifest;
}

/** What says whose a checkpoint is: a run's manifest, or a receipt. */
export interface CheckpointOwner extends Pick<Manifest, 'config' | 'digests'> {
  /** None: it isn't known which attempts there were. */
  readonly attempts: readonly Pick<Attempt, 'from' | 'steps' | 'iterations'>[];
}

/** The run in a directory; undefined if it has no run.json that can be read, so that nothing says whose its checkpoints are. */
export async function checkpointedRun(path: string): Promise<CheckpointedRun | undefined> {
  try {
    return { path, manifest: await readManifest(path) };
  } catch (error) {
    if (error instanceof RunDirectoryError) return undefined;
    throw error;
  }
}

/**
 * Reads a checkpoint of a run, and compares its metadata with run.json.
 * @throws CheckpointError if it is damaged, ForeignCheckpointError if it is another run's
 */
export async function ownCheckpoint(file: string, manifest: CheckpointOwner, layout: ModelLayout): Promise<Checkpoint> {
  const checkpoint = await readCheckpoint(file);
  refuse(checkpoint, metadataProblems(checkpoint, manifest));
  const { weights, optimizer } = trainingStateOf(checkpoint, layout);
  const hasMoments = (optimizer.v !== undefined) === optimizerOf(manifest.config.optimizer).hasSecondMoments;
  const isBeginning = checkpoint.step === 0;
  refuse(checkpoint, [
    ...(hasMoments ? [] : ["doesn't have the moments of the run's optimizer"]),
    ...(isBeginning && weightsSha256(weights) !== manifest.digests.init
      ? ['holds other weights than the run began with']
      : []),
  ]);
  return checkpoint;
}

/**
 * Reads a checkpoint of a run, and also compares its chain and weights with the log's lines, if the log has them.
 * @throws CheckpointError, ForeignCheckpointError as `ownCheckpoint`
 */
export async function loggedCheckpoint(
  file: string,
  { path, manifest }: CheckpointedRun,
  layout: ModelLayout,
): Promise<Checkpoint> {
  const checkpoint = await ownCheckpoint(file, manifest, layout);
  const { step } = checkpoint;
  const { hashEvery } = manifest.config;
  const linked = hashEvery === 0 ? 0 : step - (step % hashEvery);
  const [line, link] = await linesOf(stepsFile(path), [step, linked]);
  const logged = { chain: linked === 0 ? CHAIN_START : link?.chain, weightsSha256: line?.weightsSha256 };
  refuse(checkpoint, logProblems(stateIn(checkpoint, layout), logged));
  return checkpoint;
}

/** The log's lines of some steps. A log that is missing or can't be read has none: a run may continue without it. */
function linesOf(path: string, steps: readonly number[]): Promise<readonly (StepRecord | undefined)[]> {
  return recordsAt(path, steps).catch(() => []);
}

/** The state after a step, as a checkpoint or the log has it; undefined: it doesn't say. */
export interface SavedState {
  /** The hash chain's value. */
  readonly chain: string | undefined;
  readonly weightsSha256: string | undefined;
  /** What --keep-best and --patience go by, as JSON. */
  readonly validation?: string | undefined;
}

export function stateIn(checkpoint: Checkpoint, layout: ModelLayout): SavedState {
  const { weights } = trainingStateOf(checkpoint, layout);
  const validation = checkpoint.validation && canonicalJson(checkpoint.validation);
  return { chain: checkpoint.chain ?? CHAIN_START, weightsSha256: weightsSha256(weights), validation };
}

/** What in a checkpoint contradicts the log. */
export function logProblems(saved: SavedState, logged: SavedState): string[] {
  return (['chain', 'weightsSha256', 'validation'] as const)
    .filter((key) => logged[key] !== undefined && logged[key] !== saved[key])
    .map((key) => `has the ${key} ${saved[key]}, but ${STEPS} has ${logged[key]}`);
}

function metadataProblems(
  { file, step, config, digests, optimizerName }: Checkpoint,
  manifest: CheckpointOwner,
): string[] {
  const { dataset, numerics, init } = manifest.digests;
  const { steps = step } = manifest.attempts.at(-1) ?? {};
  const checks: readonly (readonly [boolean, string])[] = [
    [basename(file) === checkpointName(step), `holds step ${step}, not the one of its name`],
    [step <= steps, `holds step ${step}, but the run has done ${steps}`],
    [digests.dataset === dataset, "was trained on another data set than the run's"],
    [digests.numerics === numerics, 'was written by other numerics than the run has'],
    [digests.init === init, 'began with other weights than the run'],
    [
      optimizerName === manifest.config.optimizer,
      `names the optimizer ${optimizerName}, but ${manifest.config.optimizer} is the run's`,
    ],
  ];
  const problems = checks.flatMap(([isRight, problem]) => (isRight ? [] : [problem]));
  return [...problems, ...optionProblems({ step, config }, manifest)];
}

/** An option that a checkpoint lacks is newer than the checkpoint. */
function optionProblems({ step, config }: Pick<Checkpoint, 'step' | 'config'>, manifest: CheckpointOwner): string[] {
  const { attempts } = manifest;
  // A resume may raise the number of iterations, so a checkpoint has that of the attempt that wrote it.
  const attempt = attempts[Math.max(1, attemptOf(step, attempts)) - 1] ?? manifest.config;
  const own = { ...bitsOf(manifest.config), iterations: attempt.iterations };
  const before = { ...manifest.config, iterations: Number(config.iterations) };
  const isRaised = attempts.length === 0 && mayChange('iterations', before, manifest.config);
  return Object.entries(config)
    .filter(([key, value]) => !isDeepStrictEqual(value, own[key as keyof typeof own]))
    .filter(([key]) => !(key === 'iterations' && isRaised))
    .map(([key, value]) => differenceText(key, value, own[key as keyof typeof own]));
}

function differenceText(key: string, value: unknown, own: unknown): string {
  if (typeof value === 'object') return `has another ${key} than the run`;
  return `has the ${key} ${value ?? 'none'}, but the run has ${own ?? 'none'}`;
}

function refuse({ file }: Checkpoint, problems: readonly string[]): void {
  if (problems.length === 0) return;
  throw new ForeignCheckpointError(`${file} ${problems.join('; it ')}. Use another one.`, { file });
}
