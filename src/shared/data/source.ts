import type { Print } from '../util/notice.ts';
import type { Arrays, Contents, Dataset, DatasetShape, SampleShape } from './dataset.ts';
import type { StartTimer } from './download.ts';
import type { DataFiles } from './mnist-files.ts';
import type { Preparation, Resize } from './preparation.ts';

/** What a source may use to open its data set. */
export interface SourceOptions {
  readonly env: NodeJS.ProcessEnv;
  /** Receive inputs and targets. */
  readonly arrays: Arrays;
  /** Prints one line. */
  readonly print: Print;
  /** Shows a status text, which replaces the last one; an empty text removes it. */
  readonly show?: (text: string) => void;
  readonly startTimer?: StartTimer;
  /** For tests with small made-up sets. */
  readonly files?: DataFiles;
}

/** A data set that the code can make or find on its own: its file and an entry in registry.ts are all that the code knows of it. */
export interface DataSource {
  /** Its name in --data, run.json, /metrics and JSON output. */
  readonly name: string;
  /** Its name in lines for people. */
  readonly title: string;
  /** For people: under what terms it is published. */
  readonly licence: string;
  /** The digest of its contents (Dataset.sha256), the same everywhere; undefined: it is known by the hashes of its published files. */
  readonly sha256?: string;
  readonly shape: DatasetShape;
  /** [classes]: names for people. */
  readonly classNames: readonly string[];
  /** How samples like these are made, if its own file says it; contents of sets of one's own have theirs. */
  readonly preparation?: Preparation;
  /** Whether it is computed from nothing: a node then makes it instead of receiving it. */
  readonly isComputed: boolean;
  /** @throws DatasetError if it can't be had */
  open(options: SourceOptions): Promise<Dataset>;
}

/** A file or folder that --data names. */
export interface Place {
  readonly path: string;
  /** What a folder holds; undefined for a file. */
  readonly names: readonly string[] | undefined;
}

/** Contents, with their digest if reading has computed it, and with a name if they have one that isn't their file's. */
export type ReadContents = Contents & { readonly sha256?: string | undefined; readonly name?: string | undefined };

/** A data set that was found: its samples are read once its shape has given them memory. */
export interface Found<Read = ReadContents> {
  readonly shape: DatasetShape;
  /** @throws DatasetError if a file can't be read, or isn't what it was */
  read(arrays: Arrays): Promise<Read>;
}

/** --test-split if it isn't given. */
export const DEFAULT_TEST_SPLIT = 0.15;

/** Options that decide what is read from a place. */
export interface ReadingOptions {
  /** --test-split: the share of the samples that test, 0..1, if the place has no part for that. */
  readonly testSplit?: number | undefined;
  /** --target: a table's column that the model is to tell. */
  readonly target?: string | undefined;
  /** --resize: how pictures of other sizes become samples. */
  readonly resize?: Resize | undefined;
  /** What the model's spec says of its samples, to which pictures are resized; undefined: it takes any. */
  readonly input?: Omit<SampleShape, 'classes'> | undefined;
  /** The model's head, if one was given: `mse` makes a table's whole numbers outputs instead of classes. */
  readonly head?: string | undefined;
}

/** The reading options that a person gives. */
export const READING_KEYS = ['testSplit', 'target', 'resize'] as const;
export type ReadingKey = (typeof READING_KEYS)[number];

/** What a kind of source may use to find and make a data set. */
export interface FindContext extends Omit<SourceOptions, 'arrays' | 'files'> {
  readonly reading: ReadingOptions;
}

/** A kind of files or folders that hold a data set: its file and an entry in registry.ts are all that the code knows of it. */
export interface SourceKind {
  /** For the help text. */
  readonly title: string;
  /** The options that have an effect on it; others are refused. Default: none. */
  readonly options?: readonly ReadingKey[];
  accepts(place: Place): boolean;
  /** @throws DatasetError if the place holds no data set, or one that is damaged or too large */
  find(place: Place, context: FindContext): Promise<Found>;
}
