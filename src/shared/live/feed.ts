import type { PackedSeries } from './packed-series.ts';
import { type Finite, finite, type Point, type SeriesData } from './series.ts';
import {
  type Evaluation,
  TESTED_SCALARS,
  type TestedQuantity,
  VALIDATED_SCALARS,
  type ValidatedQuantity,
} from './step-scalars.ts';

/** The path of the feed of server-sent events; the name of an event is its message's type. */
export const FEED_PATH = '/feed';
/** The path of a run of the list, which the query names: /run?name=first. */
export const RUN_PATH = '/run';

export type RunState = 'running' | 'stopped' | 'failed' | 'finished' | 'crashed';

/** What an evaluation found, by the quantity in whose chart it is drawn; null: not finite, or not there. */
export type TestPoint = {
  readonly step: number;
  /** The same of the validation samples; undefined: there are none. */
  readonly validation?: Readonly<Partial<Record<ValidatedQuantity, Finite>>>;
} & Readonly<Record<TestedQuantity, Finite>>;

export function testPointOf(evaluation: Evaluation & { readonly step: number }): TestPoint {
  const values = TESTED_SCALARS.map(({ chartOf, read }) => {
    return [chartOf, finite(read(evaluation) ?? Number.NaN)];
  });
  const validated = VALIDATED_SCALARS.flatMap(({ validationOf, read }) => {
    const value = read(evaluation);
    return value === undefined ? [] : [[validationOf, finite(value)] as const];
  });
  return {
    step: evaluation.step,
    ...(Object.fromEntries(values) as Record<TestedQuantity, Finite>),
    ...(validated.length > 0 && { validation: Object.fromEntries(validated) }),
  };
}

export interface CheckpointView {
  readonly step: number;
  readonly file: string;
}

/** An event besides the steps. */
export interface HappeningView {
  /** Unix time in milliseconds. */
  readonly at: number;
  readonly message: string;
}

/** A run as a page starts with it; later messages add to it. */
export interface RunView {
  readonly name: string;
  readonly state: RunState;
  /** Unix time in milliseconds. */
  readonly started: number;
  readonly iterations: number;
  readonly batch: number;
  /** False if outputs are numbers, which are neither right nor wrong. */
  readonly hasAccuracy?: boolean | undefined;
  /** What must be known of the data before any figure; undefined: nothing. */
  readonly dataNote?: string | undefined;
  /** The options that the page lists, in order. */
  readonly config: Readonly<Record<string, string | number | boolean>>;
  readonly digests: Readonly<Record<string, string>>;
  readonly series: SeriesData;
  readonly tests: readonly TestPoint[];
  readonly checkpoints: readonly CheckpointView[];
  readonly happenings: readonly HappeningView[];
  /** SHA-256 of the final weights; undefined: the run hasn't ended. */
  readonly weightsSha256?: string | undefined;
  /** Of the last attempt of a saved run; undefined: not known. */
  readonly nodes?: readonly NodeView[] | undefined;
}

/** A run of the list as JSON. */
export type ListedRunView = Omit<RunView, 'series'> & { readonly series: PackedSeries };

/** A run of the list, as the page has it. Times are Unix milliseconds. */
export interface ListedView extends Evaluation {
  readonly name: string;
  readonly state: RunState | 'unreadable';
  readonly host?: string | undefined;
  readonly step?: number;
  readonly iterations?: number;
  readonly best?: (Evaluation & { readonly step: number }) | undefined;
  readonly started?: number | undefined;
  readonly changed: number;
  /** Duration in seconds. */
  readonly seconds?: number;
  readonly bytes: number;
  readonly dataset?: string;
  readonly tags: readonly string[];
  readonly note?: string | undefined;
  readonly notesProblem?: string;
}

export const NODE_STATES = ['ready', 'starting', 'lost', 'left'] as const;
export type NodeState = (typeof NODE_STATES)[number];

/** A node over the last seconds or, of a saved run, over all the time for which it was there. */
export interface NodeView {
  readonly name: string;
  readonly state: NodeState;
  /** Threads that are ready, and threads that are starting. */
  readonly ready: number;
  readonly starting: number;
  /** Samples per second. */
  readonly speed: number;
  /** Processors that its process has used on average: processor seconds a second. */
  readonly processors: number;
  /** Resident memory of its process, of a saved run the largest; undefined: not known, or it is gone. */
  readonly memoryBytes?: number | undefined;
  /** Shards so far by outcome. */
  readonly done: number;
  readonly late: number;
  readonly lost: number;
}

/** The status over about the last second. */
export interface StatusView {
  /** Samples per second. */
  readonly speed: number;
  /** Seconds until the last iteration; null: unknown. */
  readonly left: number | null;
  /** Mean seconds of a step by phase. */
  readonly phases: Readonly<Record<string, number>>;
  readonly nodes: readonly NodeView[];
}

export type FeedMessage =
  /** A run that trains, with everything so far; replaces what the page had. All further messages concern it. */
  | { readonly type: 'run'; readonly run: RunView }
  /** Runs on the disk, whenever one of them has changed; the page asks for those that are chosen. `title`: where they are. */
  | { readonly type: 'list'; readonly title: string; readonly isChosen: boolean; readonly runs: readonly ListedView[] }
  | { readonly type: 'steps'; readonly points: readonly Point[] }
  | { readonly type: 'test'; readonly test: TestPoint }
  | { readonly type: 'checkpoint'; readonly checkpoint: CheckpointView }
  | { readonly type: 'happening'; readonly happening: HappeningView }
  | { readonly type: 'status'; readonly status: StatusView }
  /** The last message. */
  | { readonly type: 'end'; readonly state: RunState; readonly weightsSha256?: string | undefined };

export type FeedType = FeedMessage['type'];
