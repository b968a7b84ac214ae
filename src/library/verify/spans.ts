import { randomInt } from 'node:crypto';
import { checkpointsFolder } from '../../coordinator/run/files.ts';
import { type SavedState, stateIn } from '../../coordinator/run/own-checkpoint.ts';
import type { Checkpoint } from '../../shared/checkpoint/checkpoint.ts';
import { checkpointsIn } from '../../shared/checkpoint/checkpoint-file.ts';
import type { ModelLayout } from '../../shared/model/layout.ts';
import { CheckpointError, ForeignCheckpointError } from '../../shared/util/errors.ts';

/** A part of a run that can be computed again independently: the updates after the first `from`, up to `to`. */
export interface Span {
  readonly from: number;
  readonly to: number;
  /** The file of the checkpoint that it begins with; undefined if its weights are drawn from the seed. */
  readonly start: string | undefined;
  /** The file of the expected checkpoint; undefined after the last one, when only the log's lines can be compared. */
  readonly end: string | undefined;
}

/** A checkpoint that should be there and intact. */
export interface DamagedCheckpoint {
  readonly file: string;
  readonly problem: string;
}

interface IntactCheckpoint {
  readonly file: string;
  readonly step: number;
  readonly state: SavedState;
}

export interface Inspection {
  /** Oldest first. */
  readonly intact: readonly IntactCheckpoint[];
  readonly damaged: DamagedCheckpoint[];
  /** Whether there are checkpoints, and each is another run's: run.json has other options then. */
  readonly allForeign: boolean;
}

/** Reads a file as a checkpoint of the run. @throws CheckpointError if it is damaged or another run's */
export type ReadCheckpoint = (file: string) => Promise<Checkpoint>;

/** Reads all of a run's checkpoints, and divides them into intact and damaged ones. */
export async function inspectCheckpoints(run: string, layout: ModelLayout, read: ReadCheckpoint): Promise<Inspection> {
  const intact: IntactCheckpoint[] = [];
  const damaged: DamagedCheckpoint[] = [];
  let foreign = 0;
  for (const { file, step } of (await checkpointsIn(checkpointsFolder(run))).reverse()) {
    try {
      intact.push({ file, step, state: stateIn(await read(file), layout) });
    } catch (error) {
      if (!(error instanceof CheckpointError)) throw error;
      if (!isGone(error)) damaged.push({ file, problem: error.message });
      if (error instanceof ForeignCheckpointError) foreign++;
    }
  }
  return { intact, damaged, allForeign: foreign > 0 && intact.length === 0 };
}

/** Whether a checkpoint is missing: a running run removes old checkpoints, also while they are being verified. */
export function isGone(error: unknown): boolean {
  return error instanceof CheckpointError && (error.cause as NodeJS.ErrnoException | undefined)?.code === 'ENOENT';
}

export interface SpanOptions {
  /** Whether the run began with weights drawn from the seed. */
  readonly initialized: boolean;
  /** The log's last step. */
  readonly last: number;
}

/** The spans between consecutive intact checkpoints, and the span from the last one to the log's end. */
export function spansOf(
  intact: readonly Pick<IntactCheckpoint, 'file' | 'step'>[],
  { initialized, last }: SpanOptions,
): Span[] {
  const start = initialized ? [{ step: 0, file: undefined }] : [];
  const points = [...start, ...intact.filter(({ step }) => step > 0 || !initialized)];
  return points.flatMap(({ step, file }, i) => {
    const next = points[i + 1] ?? { step: last, file: undefined };
    return next.step > step ? [{ from: step, to: next.step, start: file, end: next.file }] : [];
  });
}

/**
 * Chooses spans at random with equal probability, and returns them in order.
 * @param count number of spans to choose; if there are fewer, all are chosen
 * @param random a whole number from 0 to `below` - 1
 */
export function sampleSpans(
  spans: readonly Span[],
  count: number,
  random: (below: number) => number = randomInt,
): Span[] {
  const left = [...spans];
  const chosen: Span[] = [];
  while (chosen.length < count && left.length > 0) chosen.push(...left.splice(random(left.length), 1));
  return chosen.sort((a, b) => a.from - b.from);
}

/** The spans from the nearest checkpoint at or before a step on, up to the end. */
export function spansFrom(spans: readonly Span[], step: number): Span[] {
  const first = spans.findLastIndex(({ from }) => from <= step);
  return spans.slice(Math.max(0, first));
}

/** The total number of updates in spans. */
export function stepsIn(spans: readonly Pick<Span, 'from' | 'to'>[]): number {
  return spans.reduce((sum, { from, to }) => sum + to - from, 0);
}
