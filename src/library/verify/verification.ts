import { join } from 'node:path';
import { startEngine } from '../../coordinator/engine.ts';
import { checkpointsFolder, stepsFile } from '../../coordinator/run/files.ts';
import { attemptOf, type Manifest, unknownField } from '../../coordinator/run/manifest.ts';
import { logProblems, ownCheckpoint, type SavedState } from '../../coordinator/run/own-checkpoint.ts';
import type { StepRecord } from '../../coordinator/train/observer.ts';
import { EARLY_STEP } from '../../coordinator/train/schedule.ts';
import type { Checkpoint } from '../../shared/checkpoint/checkpoint.ts';
import { checkpointName } from '../../shared/checkpoint/checkpoint-file.ts';
import type { TrainConfig } from '../../shared/config/config.ts';
import type { Dataset } from '../../shared/data/dataset.ts';
import type { KernelName } from '../../shared/engine/kernel-name.ts';
import type { SharedMemory } from '../../shared/engine/wasm/memory.ts';
import { evaluationIn, isEvaluated } from '../../shared/live/step-scalars.ts';
import { modelOf } from '../../shared/model/registry.ts';
import type { Print } from '../../shared/util/notice.ts';
import { type ChainCheck, checkLog, type LogCheck, type LogFindings, linesOf } from './log-check.ts';
import { type Difference, Recomputer } from './recompute.ts';
import {
  type DamagedCheckpoint,
  type Inspection,
  inspectCheckpoints,
  isGone,
  type ReadCheckpoint,
  type Span,
  sampleSpans,
  spansOf,
  stepsIn,
} from './spans.ts';
import { type Contradiction, contradictionsTo, contradictionsWithin } from './statements.ts';

export interface RecomputedSpan {
  /** Updates done before the span. */
  readonly from: number;
  /** Updates done at its end. */
  readonly to: number;
  readonly same: boolean;
  readonly first?: Difference;
}

/** The result of a verification, as `lockstep verify --json` prints it. */
export interface Verification {
  readonly run: string;
  /** Whether everything that was compared is the same, and nothing is damaged or missing. */
  readonly same: boolean;
  /** Steps that the run has done so far. */
  readonly steps: number;
  readonly recomputed: {
    readonly spans: readonly RecomputedSpan[];
    /** Number of spans of the run. */
    readonly of: number;
    readonly steps: number;
    /** Share of the run's steps, 0..1. */
    readonly share: number;
  };
  readonly chain: ChainCheck;
  readonly log: LogCheck;
  /** What run.json states otherwise than itself, the log, or the checkpoints. */
  readonly stated: readonly Contradiction[];
  readonly damaged: readonly DamagedCheckpoint[];
}

export interface VerificationOptions {
  readonly run: string;
  readonly manifest: Manifest;
  /** Number of spans to compute again, chosen at random; all if there are fewer. */
  readonly spans: number;
  readonly workers: number;
  /** The code that computes (default: auto). */
  readonly kernel?: KernelName;
  /** The data set, which is in `memory`. */
  readonly dataset: Dataset;
  /** Not sealed yet. */
  readonly memory: SharedMemory;
  readonly print: Print;
  /** Shows a temporary text about the progress; an empty text removes it. */
  readonly show: (text: string) => void;
}

/**
 * Checks a run's run.json, log, hash chain and checkpoints, and computes spans of it again. It only reads, so the run may be running.
 * @throws WorkerError if workers failed too often
 */
export async function verifyRun(options: VerificationOptions): Promise<Verification> {
  const { run, manifest, print } = options;
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
  const stated = await contradictions(options, inspection, found);

  const initialized = manifest.digests.init === undefined;
  const spans = spansOf(intact, { initialized, last: log.last });
  if (allForeign) print("Left out every step: no checkpoint has the options of run.json, so either isn't this run's.");
  const recomputed = await recomputeSpans(allForeign ? [] : sampleSpans(spans, options.spans), read, options);
  const steps = Math.max(log.last, expected.steps);
  const covered = stepsIn(recomputed);
  const agree = log.same && chain.same && damaged.length === 0 && stated.length === 0;
  return {
    run,
    same: agree && recomputed.every(({ same }) => same),
    steps,
    recomputed: { spans: recomputed, of: spans.length, steps: covered, share: steps === 0 ? 0 : covered / steps },
    chain,
    log,
    stated,
    damaged,
  };
}

async function contradictions(
  { run, manifest, dataset }: VerificationOptions,
  { intact }: Inspection,
  { log, last, evaluated, validation }: LogFindings,
): Promise<Contradiction[]> {
  const unknown = await unknownField(run, manifest);
  const end = intact.find(({ step }) => step === manifest.result?.steps)?.state;
  return [
    ...(unknown === undefined ? [] : [{ field: unknown, problem: "isn't what this version writes" }]),
    ...contradictionsWithin(manifest, dataset.name),
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
    [EARLY_STEP, ...ends, ...(isComplete ? [last] : [])].filter((step) => step > 0 && step <= until),
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

async function recomputeSpans(
  spans: readonly Span[],
  read: ReadCheckpoint,
  { run, manifest, workers, kernel = 'auto', dataset, memory, print, show }: VerificationOptions,
): Promise<RecomputedSpan[]> {
  if (spans.length === 0) return [];
  const config: TrainConfig = { ...manifest.config, workers, kernel };
  const engine = startEngine({ config, memory, dataset });
  const recomputer = new Recomputer({ engine, config, onStep: progressOver(spans, show) });
  const recomputed: RecomputedSpan[] = [];
  try {
    for await (const { span, lines } of linesOf(stepsFile(run), spans)) {
      const ends = await endsOf(span, read);
      if (ends === undefined) {
        print(`Left out steps ${span.from + 1} to ${span.to}: the run has removed one of their checkpoints meanwhile.`);
        continue;
      }
      // Its ends may be forged steps that are billions away; that lines are missing is the log's problem.
      if (2 * lines.size < span.to - span.from) {
        print(`Left out steps ${span.from + 1} to ${span.to}: the log lacks most of them.`);
        continue;
      }
      const first = await recomputer.recompute({ span, lines: withResult(lines, manifest), ...ends });
      const { from, to } = span;
      recomputed.push({ from, to, same: first === undefined, ...(first === undefined ? {} : { first }) });
      if (!recomputer.usable) break;
    }
    return recomputed;
  } finally {
    show('');
    await engine.pool.close();
  }
}

/** The lines with the evaluation that only run.json has, since the attempt that did the step abandoned it. */
function withResult(lines: ReadonlyMap<number, StepRecord>, { result }: Manifest): ReadonlyMap<number, StepRecord> {
  const line = lines.get(result?.testedAt ?? 0);
  if (line === undefined || isEvaluated(line)) return lines;
  return new Map([...lines, [line.step, { ...line, ...evaluationIn(result) }]]);
}

interface Ends {
  readonly start: Checkpoint | undefined;
  readonly end: Checkpoint | undefined;
}

/** The checkpoints of a span; undefined if one of them was removed meanwhile. */
async function endsOf({ start, end }: Span, read: ReadCheckpoint): Promise<Ends | undefined> {
  try {
    return {
      start: start === undefined ? undefined : await read(start),
      end: end === undefined ? undefined : await read(end),
    };
  } catch (error) {
    if (isGone(error)) return undefined;
    throw error;
  }
}

function progressOver(spans: readonly Span[], show: (text: string) => void): (step: number) => void {
  const total = stepsIn(spans).toLocaleString('en-US');
  let done = 0;
  return (step) => {
    done++;
    show(`Recomputing step ${step.toLocaleString('en-US')}: ${done.toLocaleString('en-US')} of ${total} steps`);
  };
}
