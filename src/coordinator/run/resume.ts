import type { Checkpoint, Digests } from '../../shared/checkpoint/checkpoint.ts';
import { checkpointsIn } from '../../shared/checkpoint/checkpoint-file.ts';
import { AUTO, type Capacity, isSecret, type TrainConfig } from '../../shared/config/config.ts';
import {
  givenAgain,
  type ResumedTrainConfig,
  resumeTrainConfig,
  typedOptions,
} from '../../shared/config/resume-config.ts';
import { flagOf, OPTION_KEYS, type OptionKey } from '../../shared/config/schema.ts';
import { readSources, type Sources } from '../../shared/config/sources.ts';
import { hasNumerics, numericsOf } from '../../shared/engine/numerics/numerics.ts';
import type { ModelLayout } from '../../shared/model/layout.ts';
import { modelOf } from '../../shared/model/registry.ts';
import { commandLine, withOptions } from '../../shared/util/command-line.ts';
import { CheckpointError, UsageError } from '../../shared/util/errors.ts';
import type { Print } from '../../shared/util/notice.ts';
import { callerPath } from '../../shared/util/paths.ts';
import { shortDigest, shownPath, typedPath } from '../../shared/util/shown-path.ts';
import { checkpointsFolder, manifestFile } from './files.ts';
import { findRun, isThere } from './find.ts';
import { firstIntact, passedOver } from './first-intact.ts';
import { type Manifest, readManifest } from './manifest.ts';
import { loggedCheckpoint } from './own-checkpoint.ts';

/** A run to continue, with its configuration. */
export interface Resumed extends ResumedTrainConfig {
  readonly path: string;
  readonly manifest: Manifest;
}

/**
 * The run that --resume names, with the configuration to continue it by; undefined for a new run.
 * @throws UsageError if there is no such run, or if options or this build would change its bits
 * @throws RunDirectoryError if its run.json can't be used
 */
export async function resumedRun(sources: Sources, capacity?: Capacity): Promise<Resumed | undefined> {
  const path = await namedRun(sources);
  if (path === undefined) return undefined;
  const manifest = await readManifest(path);
  const resumed = { path, manifest, ...resumeTrainConfig(sources, manifest, capacity) };
  const { numerics } = manifest.digests;
  const differences = [...resumed.refused];
  const { optimizer, augment, replicas, schedule } = manifest.config;
  const computed = { layout: modelOf(manifest.config), optimizer, augment, replicas, schedule };
  if (!hasNumerics(numerics, computed)) {
    const own = shortDigest(numericsOf(computed));
    differences.push(`numerics: the run has ${shortDigest(numerics)}, but this build of Lockstep ${own}`);
  }
  refuse(resumed, differences);
  return resumed;
}

/** The command that continues a run, as it is typed. */
export function resumeCommand(path: string, config: TrainConfig): string {
  return commandLine(withOptions(`train --resume ${typedPath(path)}`, givenAgain(config)), process.env);
}

/** What the command that continues a run has to be given beside what `resumeCommand` says; undefined if that is all. */
export function unprintedAgain(config: TrainConfig): string | undefined {
  return unprintedText(OPTION_KEYS.filter((key) => config[key] !== undefined && isSecret(key, config)));
}

function unprintedText(keys: readonly OptionKey[]): string | undefined {
  if (keys.length === 0) return undefined;
  return `Give it ${keys.map(flagOf).join(' and ')} again too: a value that may hold a secret isn't printed.`;
}

/** A notice about the options of a resumed run that aren't taken from its directory; undefined if there are none. */
export function notTakenText({ path, manifest, notTaken }: Resumed): string | undefined {
  if (notTaken.length === 0) return undefined;
  const options = typedOptions(manifest.config, notTaken);
  const command = commandLine(withOptions(`train --resume ${typedPath(path)}`, options), process.env);
  const secret = unprintedText(notTaken.filter((key) => isSecret(key, manifest.config)));
  return [
    'A resumed run takes only the options that decide its bits, its intervals and its number of workers from its directory.',
    ...(secret === undefined ? [] : [secret]),
    ...(Object.keys(options).length === 0 ? [] : [`To use the others again too: ${command}`]),
  ].join(' ');
}

/** The run directory that --resume names; undefined without that flag, and for `auto` if --out holds no run yet. */
async function namedRun(sources: Sources): Promise<string | undefined> {
  const { resume, out } = readSources(sources, ['resume', 'out']);
  if (resume === undefined) return undefined;
  if (resume.value !== AUTO) {
    return findRun(String(resume.value), sources.env, "To use a checkpoint's weights: --init.");
  }
  if (out === undefined) {
    throw new UsageError(`${resume.from}: auto resumes the run in --out, or begins it. Name its directory by --out.`);
  }
  const path = callerPath(String(out.value), sources.env);
  // A file that can't be reached is no reason to begin the run anew.
  return (await isThere(manifestFile(path))) ? path : undefined;
}

/**
 * Refuses to train a run on another data set.
 * @param dataset the digest of the data set that was found
 * @throws UsageError if it isn't the run's
 */
export function refuseOtherData(resumed: Resumed, dataset: Digests['dataset']): void {
  const own = resumed.manifest.digests.dataset;
  const line = `data: the run has the set ${shortDigest(own)}, but this is ${shortDigest(dataset)}`;
  refuse(resumed, own === dataset ? [] : [line]);
}

/** Refuses weights of classes that only the data set could tell. @throws UsageError if they aren't the run's */
export function refuseOtherWeights(resumed: Resumed, { classWeights }: TrainConfig): void {
  const own = resumed.manifest.config.classWeights;
  const line = `${flagOf('classWeights')}: the run has ${own ?? 'none'}, but this is ${classWeights}`;
  refuse(resumed, own === classWeights ? [] : [line]);
}

/** @throws UsageError if there are differences, each a line of the message */
function refuse({ path }: Resumed, differences: readonly string[]): void {
  if (differences.length === 0) return;
  const init = commandLine(`train --init ${typedPath(path)} …`, process.env);
  throw new UsageError([
    `The run ${shownPath(path)} can't be resumed, because its bits would change:`,
    ...differences.map((line) => `  ${line}`),
    `Use the run's own values, or start a new run from its weights: ${init}`,
  ]);
}

/**
 * The newest intact checkpoint of a run; undefined if none was written yet. Prints a line for each that is damaged or another run's.
 * @throws CheckpointError if there are no others
 */
export async function newestIntact(
  run: Pick<Resumed, 'path' | 'manifest'>,
  layout: ModelLayout,
  print: Print,
): Promise<Checkpoint | undefined> {
  const { path, manifest } = run;
  const all = await checkpointsIn(checkpointsFolder(path));
  const files = all.map(({ file }) => file);
  const found = await firstIntact(files, (file) => loggedCheckpoint(file, run, layout), passedOver(print));
  if (found !== undefined) return found;
  if (all.length === 0 && hadNone(manifest)) return undefined;
  throw new CheckpointError(
    `No intact checkpoint is left in ${checkpointsFolder(path)} that is this run's own, so the run can't be resumed. ` +
      'Restore one from a backup, or start a new run.',
    { file: path },
  );
}

/** Whether a run may never have had a checkpoint. A run that stopped, was resumed, or began with --init had one. */
function hadNone({ digests, attempts }: Manifest): boolean {
  return digests.init === undefined && attempts.every(({ from, steps = 0 }) => from === 0 && steps === 0);
}
