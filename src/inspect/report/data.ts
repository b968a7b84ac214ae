import type { Inputs, Targets } from '../../shared/data/dataset.ts';
import type { TableScaling } from '../../shared/data/preparation.ts';
import type { ReportCurves } from '../../shared/live/report-curves.ts';
import type { ModelLayout } from '../../shared/model/layout.ts';
import type { Shape } from '../../shared/model/shape.ts';
import type { Classified, ForwardTrace } from '../activations/inspector.ts';
import type { ShownModel } from '../activations/shown-layers.ts';
import type { Confused, Scores } from '../scores/class-scores.ts';
import type { ValueErrors } from '../scores/value-errors.ts';

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

/** A line, from 1 on, of a file of a run's log. */
export interface StrangeLine {
  readonly line: number;
  readonly file: string;
}

export interface ReportRun {
  readonly name: string;
  readonly state: string;
  /** The name of the set that it was trained on, such as `mnist`. */
  readonly dataset: string;
  readonly curves: ReportCurves;
  /** The lines of its log that aren't a step's; the curves lack them. */
  readonly strangeLines: readonly StrangeLine[];
  readonly facts: readonly FactGroup[];
}

/** The samples that the snapshots are tried on. */
export interface TestSet {
  /** The data set's name, such as `mnist`. */
  readonly name: string;
  readonly shape: Shape;
  readonly count: number;
  /** [count][maps][height][width] */
  readonly inputs: Inputs;
  /** [count]: the class of each, or [count][outputs]. */
  readonly targets: Targets;
  /** [classes]: of the outputs if the targets are numbers. */
  readonly classNames: readonly string[];
  /** Of numbers that were standardised: by what. */
  readonly scaling?: TableScaling | undefined;
}

export interface ReportData {
  readonly runs: readonly ReportRun[];
  readonly snapshots: readonly Snapshot[];
  readonly test: TestSet;
  /** Place in the test set of the sample that is shown in every layer. */
  readonly image: number;
  /** What a reader must know before anything else, such as that the data are synthetic. */
  readonly warnings: readonly string[];
  readonly version: string;
}

/** A test sample that a snapshot took for another class. */
export interface Mistake {
  readonly index: number;
  readonly truth: number;
  readonly guess: number;
  /** Probability of the guess, 0..1. */
  readonly confidence: number;
  /** What the head made of the guess and of the truth: logits, or of an RBF head squared distances. */
  readonly outputs: readonly [guess: number, truth: number];
}

export interface ClassResults {
  readonly reading: 'class';
  /** 0..1, on the whole test set. */
  readonly accuracy: number;
  readonly scores: Scores;
  /** All pairs of different classes that were confused, the most frequent first. */
  readonly pairs: readonly Confused[];
  /** The worst first: the one whose truth is farthest behind the guess. */
  readonly mistakes: readonly Mistake[];
}

export interface LabelResults {
  readonly reading: 'labels';
  /** Share of the samples whose labels are all right, 0..1. */
  readonly accuracy: number;
  readonly scores: Scores;
}

export interface ValueResults {
  readonly reading: 'values';
  readonly errors: ValueErrors;
}

/** What a snapshot gets right and wrong on the test set, by what its outputs are. */
export type Results = ClassResults | LabelResults | ValueResults;

/** A snapshot with what its weights make of the test set. */
export interface Column extends Snapshot {
  /** The column's title, such as `step 100`; with the run's name if there are several runs. */
  readonly title: string;
  /** What each layer made of the chosen sample. */
  readonly trace: ForwardTrace;
  readonly shown: ShownModel;
  /** The first samples of the test set, of which some are shown. */
  readonly firsts: Classified;
  /** [samples] of the whole test set; empty if the outputs aren't classes. */
  readonly predictions: Uint16Array;
  readonly results: Results;
}

/** A snapshot of a model whose outputs are classes. */
export interface Tried extends Column {
  readonly results: ClassResults;
}
