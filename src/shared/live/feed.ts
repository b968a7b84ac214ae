import type { Point, SeriesData } from './series.ts';
import { type Evaluation, TESTED_SCALARS, type TestedQuantity } from './step-scalars.ts';

/** Where the feed is served, as server-sent events; the name of an event is its message's type. */
export const FEED_PATH = '/feed';

export type RunState = 'running' | 'stopped' | 'failed' | 'finished' | 'crashed';

/** What an evaluation found, by the quantity in whose chart it is drawn; null: not finite. */
export type TestPoint = { readonly step: number } & Readonly<Record<TestedQuantity, number | null>>;

export function testPointOf(evaluation: Evaluation & { readonly step: number }): TestPoint {
  const values = TESTED_SCALARS.map(({ chartOf, read }) => {
    const value = read(evaluation);
    return [chartOf, Number.isFinite(value) ? value : null];
  });
  return { step: evaluation.step, ...(Object.fromEntries(values) as Record<TestedQuantity, number | null>) };
}

export interface CheckpointView {
  readonly step: number;
  readonly file: string;
}

/** Something that happened beside the steps. */
export interface HappeningView {
  /** Unix time in milliseconds. */
  readonly at: number;
  readonly message: string;
}

/** A run as the page begins with it; all that comes later is added to this. */
export interface RunView {
  readonly name: string;
  readonly state: RunState;
  /** Unix time in milliseconds. */
  readonly started: number;
  readonly iterations: number;
  readonly batch: number;
  /** The data set's name. */
  readonly dataset: string;
  /** What the page lists, in order. */
  readonly config: Readonly<Record<string, string | number | boolean>>;
  readonly digests: Readonly<Record<string, string>>;
  readonly series: SeriesData;
  readonly tests: readonly TestPoint[];
  readonly checkpoints: readonly CheckpointView[];
  readonly happenings: readonly HappeningView[];
  /** Of the final weights, where it has ended. */
  readonly weightsSha256?: string | undefined;
}

export type NodeState = 'ready' | 'starting' | 'lost' | 'left';

export interface NodeView {
  readonly name: string;
  readonly state: NodeState;
  /** Threads that are ready, and that are coming up. */
  readonly ready: number;
  readonly starting: number;
  /** Samples per second, over the last seconds. */
  readonly speed: number;
  /** Shards so far. */
  readonly done: number;
  readonly late: number;
  readonly lost: number;
}

/** Of the last second or so. */
export interface StatusView {
  /** Samples per second. */
  readonly speed: number;
  /** Seconds until the last iteration; null where that can't be told. */
  readonly left: number | null;
  /** Mean seconds of a step by phase. */
  readonly phases: Readonly<Record<string, number>>;
  readonly nodes: readonly NodeView[];
}

/** Of the run that is under way; always the first. */
export type FeedMessage =
  /** Everything so far; what the page had is void. */
  | { readonly type: 'runs'; readonly live: boolean; readonly runs: readonly RunView[] }
  | { readonly type: 'steps'; readonly points: readonly Point[] }
  | { readonly type: 'test'; readonly test: TestPoint }
  | { readonly type: 'checkpoint'; readonly checkpoint: CheckpointView }
  | { readonly type: 'happening'; readonly happening: HappeningView }
  | { readonly type: 'status'; readonly status: StatusView }
  /** Nothing comes after it. */
  | { readonly type: 'end'; readonly state: RunState; readonly weightsSha256?: string | undefined };

export type FeedType = FeedMessage['type'];
