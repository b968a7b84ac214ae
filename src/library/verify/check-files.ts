import { join } from 'node:path';
import { checkpointsFolder, stepsFile } from '../../coordinator/run/files.ts';
import { attemptOf, type Manifest, unknownField } from '../../coordinator/run/manifest.ts';
import { logProblems, ownCheckpoint, type SavedState } from '../../coordinator/run/own-checkpoint.ts';
import { earlyStep } from '../../coordinator/train/schedule.ts';
import { checkpointName } from '../../shared/checkpoint/checkpoint-file.ts';
import { modelOf } from '../../shared/model/registry.ts';
import { type ChainCheck, checkLog, type LogCheck, type LogFindings } from './log-check.ts';
import {
  type DamagedCheckpoint,
  type Inspection,
  inspectCheckpoints,
  type ReadCheckpoint,
  type Span,
  spansOf,
} from './spans.ts';
import { type Contradiction, contradictionsTo, contradictionsWithin } from './statements.ts';

export interface RunFiles {
  readonly run: string;
  readonly manifest: Manifest;
  /** The name of the data set with the run's digest. */
  readonly dataset: string;
}

/** What a run's files say of themselves and of each other. */
export interface FilesCheck {
  /** Whether nothing contradicts, and nothing is damaged or missing. */
  readonly same: boolean;
  /** Steps that the run has done so far. */
  readonly steps: number;
  readonly log: LogCheck;
  readonly chain: ChainCheck;
  readonly stated: readonly Contradiction[];
  readonly damaged: readonly DamagedCheckpoint[];
  /** The parts that can be computed again. */
  readonly spans: readonly Span[];
  /** Whether there are checkpoints, and each is another run's. */
  readonly allForeign: boolean;
  readonly read: ReadCheckpoint;
}

/** Checks a run's run.json, log, hash chain and checkpoints without computing anything again. It only reads, so the run may be running. */
export async function checkFiles(files: RunFiles): Promise<FilesCheck> {
  const { run, manifest } = files;
  const layout = modelOf(manifest.config);
  const read: ReadCheckpoint = (file) => ownCheckpoint(file, manifest, layout);
  // Read before the log, which has the steps up to each checkpoint that exists now.
  const inspection = await inspectCheckpoints(run, layout, read);
  const { intact, allForeign } = inspection;
  const saved = intact.at(-1)?.step ?? 0;
  const isRunning = manifest.state === 'running';
  const done = isRunning ? 0 : (manifest.attempts.at(-1)?.steps ?? 0);
  const states = new Set(intact.map(({ step }) => step));
  const expected = { manifest, states, steps: Math.max(saved, done), chain: isRunning ? undefined : manifest.chain };
  const found = await checkLog(stepsFile(run), expected);
  const { log, chain } = found;
  const damaged = [...inspection.damaged, ...unlogged(intact, found), ...missing(run, inspection, manifest)];
  const stated = await contradictions(files, inspection, found);
  const initialized = manifest.digests.init === undefined;
  return {
    same: log.same && chain.same && damaged.length === 0 && stated.length === 0,
    steps: Math.max(log.last, expected.steps),
    log,
    chain,
    stated,
    damaged,
    spans: spansOf(intact, { initialized, last: log.last }),
    allForeign,
    read,
  };
}

async function contradictions(
  { run, manifest, dataset }: RunFiles,
  { intact }: Inspection,
  { log, last, evaluated, validation }: LogFindings,
): Promise<Contradiction[]> {
  const unknown = await unknownField(run, manifest);
  const end = intact.find(({ step }) => step === manifest.result?.steps)?.state;
  return [
    ...(unknown === undefined ? [] : [{ field: unknown, problem: "isn't what this version writes" }]),
    ...contradictionsWithin(manifest, dataset),
    // A log that isn't whole says nothing of its end.
    ...(log.same ? contradictionsTo({ last, evaluated, validation, end }, manifest) : []),
  ];
}

/** The checkpoints that the log contradicts. */
function unlogged(intact: Inspection['intact'], { states }: LogFindings): DamagedCheckpoint[] {
  return intact.flatMap(({ file, step, state }) => {
    const problems = logProblems(state, states.get(step) ?? NOT_LOGGED);
    return problems.length === 0 ? [] : [{ file, problem: `${file} ${problems.join('; it ')}.` }];
  });
}

const NOT_LOGGED: SavedState = { chain: undefined, weightsSha256: undefined };

/** The checkpoints that are never removed, but aren't there. */
function missing(run: string, { intact, damaged }: Inspection, { config, digests, state, attempts, result }: Manifest) {
  const isComplete = state === 'stopped' || state === 'finished';
  const last = attempts.at(-1)?.steps ?? 0;
  // Checkpoints are written in order, but the last ones may not have been written if the run was killed or failed.
  const until = isComplete ? last : (intact.at(-1)?.step ?? 0);
  const ends = attempts
    .map(({ iterations }) => iterations)
    .filter((end) => attempts[attemptOf(end, attempts) - 1]?.iterations === end);
  const needed = new Set(
    [earlyStep(config), ...ends, ...(isComplete ? [last] : [])].filter((step) => step > 0 && step <= until),
  );
  if (digests.init !== undefined) needed.add(0);
  const best = result?.best?.step ?? 0;
  // run.json has the last attempt's options only: earlier ones may not have kept the best.
  if (config.keepBest && best > (attempts.at(-1)?.from ?? 0)) needed.add(best);
  const there = new Set([...intact, ...damaged].map(({ file }) => file));
  return [...needed]
    .sort((a, b) => a - b)
    .map((step) => ({ file: join(checkpointsFolder(run), checkpointName(step)), step }))
    .filter(({ file }) => !there.has(file))
    .map(({ file, step }) => {
      const what = step === 0 ? 'which the run began with by --init' : 'which is always kept';
      return { file, problem: `${file}, ${what}, is missing.` };
    });
}
