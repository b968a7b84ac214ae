import type { Print } from '../util/notice.ts';
import type { Dataset } from './dataset.ts';
import type { StartTimer } from './download.ts';
import type { DataFiles } from './mnist-files.ts';

/** What a source may use to open its data set. */
export interface SourceOptions {
  readonly env: NodeJS.ProcessEnv;
  /** Gives the arrays that receive the images and labels. */
  readonly allocate: (length: number) => Uint8Array;
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
  /** Its name in run.json, /metrics and JSON output, and, for all sets but the default one, in --data. */
  readonly name: string;
  /** Its name in lines for people. */
  readonly title: string;
  /** The digest of its contents (Dataset.sha256), the same everywhere. */
  readonly sha256: string;
  /** Whether it is computed from nothing: a node then makes it instead of receiving it. */
  readonly isComputed: boolean;
  /** @throws DatasetError if it can't be had */
  open(options: SourceOptions): Promise<Dataset>;
}
