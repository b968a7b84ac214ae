import type { ReportCurves } from '../../shared/live/report-curves.ts';
import type { ModelLayout } from '../../shared/model/layout.ts';
import type { Classified, ForwardTrace } from '../activations/inspector.ts';

/** One checkpoint's weights: a column of the report. */
export interface Snapshot {
  /** Place of its run among the report's. */
  readonly run: number;
  readonly step: number;
  /** Its checkpoint, below the run directory. */
  readonly file: string;
  readonly layout: ModelLayout;
  /** [parameters] in flat order. */
  readonly weights: Float32Array;
  readonly weightsSha256: string;
}

/** Facts of a run by name and value, one table each. */
export interface FactGroup {
  readonly title: string;
  readonly facts: readonly (readonly [name: string, value: string | number | boolean])[];
}

export interface ReportRun {
  readonly name: string;
  readonly state: string;
  /** The name of the set that it was trained on, such as `mnist`. */
  readonly dataset: string;
  readonly curves: ReportCurves;
  /** The lines of its log that aren't a step's, from 1 on; the curves lack them. */
  readonly strangeLines: readonly number[];
  readonly facts: readonly FactGroup[];
}

/** The images that the snapshots are tried on. */
export interface TestSet {
  /** The data set's name, such as `mnist`. */
  readonly name: string;
  /** Bytes [count][height][width]. */
  readonly images: Uint8Array;
  /** [count] */
  readonly labels: Uint8Array;
  readonly width: number;
  readonly height: number;
}

export interface ReportData {
  readonly runs: readonly ReportRun[];
  readonly snapshots: readonly Snapshot[];
  readonly test: TestSet;
  /** Place in the test set of the digit that is shown in every layer. */
  readonly image: number;
  /** What a reader must know before anything else, such as that the data are synthetic. */
  readonly warnings: readonly string[];
  readonly version: string;
}

/** A test image that a snapshot took for another digit. */
export interface Mistake {
  readonly index: number;
  readonly truth: number;
  readonly guess: number;
  /** Probability of the guess, 0..1. */
  readonly confidence: number;
  /** What the head made of the guess and of the truth: logits, or of an RBF head squared distances. */
  readonly outputs: readonly [guess: number, truth: number];
}

/** A snapshot with what its weights make of the test set. */
export interface Column extends Snapshot {
  /** The column's title, such as `step 100`; with the run's name if there are several runs. */
  readonly title: string;
  /** What each layer made of the chosen digit. */
  readonly trace: ForwardTrace;
  readonly classified: Classified;
  /** [truth][guess] */
  readonly confusion: readonly (readonly number[])[];
  /** 0..1, on the whole test set. */
  readonly accuracy: number;
  /** The worst first: the one whose truth is farthest behind the guess. */
  readonly mistakes: readonly Mistake[];
}
