// Sets that are known by the hashes of the files in which they are published. They are fetched once; the cache keeps them packed.
import type { Contents } from './dataset.ts';
import type { PublishedFile } from './mirrors.ts';
import type { DataSource } from './source.ts';

export interface PublishedSet extends Pick<DataSource, 'name' | 'title' | 'licence' | 'shape' | 'classNames'> {
  /** Addresses of folders that have its files. */
  readonly mirrors: readonly string[];
  readonly files: readonly PublishedFile[];
  /** The contents of its files, in their order. @throws DatasetError if they aren't what the entry says */
  read(bodies: readonly Buffer[]): Promise<Pick<Contents, 'train' | 'test'>>;
}
