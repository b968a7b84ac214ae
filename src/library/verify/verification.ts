import { join } from 'node:path';
import { startEngine } from '../../coordinator/engine.ts';
import { checkpointsFolder, stepsFile } from '../../coordinator/run/files.ts';
import type { Manifest } from '../../coordinator/run/manifest.ts';
import { ownCheckpoint } from '../../coordinator/run/own-checkpoint.ts';
import type { Checkpoint } from '../../shared/checkpoint/checkpoint.ts';
import { checkpointName } from '../../shared/checkpoint/checkpoint-file.ts';
import type { TrainConfig } from '../../shared/config/config.ts';
import type { Dataset } from '../../shared/data/dataset.ts';
import type { SharedMemory } from '../../shared/engine/wasm/memory.ts';
import { modelOf } from '../../shared/model/registry.ts';
import type { Print } from '../../shared/util/notice.ts';
import { type ChainCheck, checkLog, type LogCheck, linesOf } from './log-check.ts';
import { type Difference, Recomputer } from './recompute.ts';
import {
  type DamagedCheckpoint,
  inspectCheckpoints,
  isGone,
  type ReadCheckpoint,
  type Span,
  sampleSpans,
  spansOf,
  stepsIn,
} from './spans.ts';

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
  readonly damaged: readonly DamagedCheckpoint[];
}

export interface VerificationOptions {
  readonly run: string;
  readonly manifest: Manifest;
  /** Number of spans to compute again, chosen at random; all if there are fewer. */
  readonly spans: number;
  readonly workers: number;
  /** The data set, which is in `memory`. */
  readonly dataset: Dataset;
  /** Not sealed yet. */
  readonly memory: SharedMemory;
  readonly print: Print;
  /** Shows a temporary text about the progress; an empty text removes it. */
  readonly show: (text: string) => void;
}

/**
 * Checks a run's log, hash chain and checkpoints, and computes spans of it again. It only reads, so the run may be running.
 * @throws WorkerError if workers failed too often
 */
export async function verifyRun(options: VerificationOptions): Promise<Verification> {
  const { run, manifest } = options;
  const layout = modelOf(manifest.config);
  const read: ReadCheckpoint = (file) => ownCheckpoint(file, manifest, layout);
  // Read before the log, which has the steps up to each checkpoint that exists now.
  const { intact, damaged } = await inspectCheckpoints(run, read);
  const initialized = manifest.digests.init === undefined;
  if (!initialized && intact[0]?.step !== 0 && damaged.length === 0) {
    const file = join(checkpointsFolder(run), checkpointName(0));
    damaged.push({ file, problem: `${file}, which the run began with by --init, is missing.` });
  }
  const saved = intact.at(-1)?.step ?? 0;
  const isRunning = manifest.state === 'running';
  const done = isRunning ? 0 : (manifest.attempts.at(-1)?.steps ?? 0);
  const expected = { steps: Math.max(saved, done), chain: isRunning ? undefined : manifest.chain };
  const { log, chain } = await checkLog(stepsFile(run), expected);

  const spans = spansOf(intact, { initialized, last: log.last });
  const recomputed = await recomputeSpans(sampleSpans(spans, options.spans), read, options);
  const steps = Math.max(log.last, expected.steps);
  const covered = stepsIn(recomputed);
  return {
    run,
    same: log.same && chain.same && damaged.length === 0 && recomputed.every(({ same }) => same),
    steps,
    recomputed: { spans: recomputed, of: spans.length, steps: covered, share: steps === 0 ? 0 : covered / steps },
    chain,
    log,
    damaged,
  };
}

async function recomputeSpans(
  spans: readonly Span[],
  read: ReadCheckpoint,
  { run, manifest, workers, dataset, memory, print, show }: VerificationOptions,
): Promise<RecomputedSpan[]> {
  if (spans.length === 0) return [];
  const config: TrainConfig = { ...manifest.config, workers };
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
      const first = await recomputer.recompute({ span, lines, ...ends });
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
