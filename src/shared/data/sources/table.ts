import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { DatasetError } from '../../util/errors.ts';
import type { Print } from '../../util/notice.ts';
import { sha256 } from '../digest.ts';
import { openPacked } from '../packed-cache.ts';
import { DEFAULT_TEST_SPLIT, type FindContext, type Found, type Place, type SourceKind } from '../source.ts';
import type { TableFiles } from '../table/files.ts';

const TABLE = /\.(csv|tsv|tab)$/i;
/** To be raised if the same files become other samples. */
const VERSION = 1;

/** Texts separated by commas, tabs or semicolons: one file, of whose rows some are held back, or one of each part in a folder. */
export const TABLE_FILE: SourceKind = {
  title: 'a table (.csv, .tsv) with --target, or a folder of train.csv and test.csv',
  options: ['testSplit', 'target'],
  accepts: ({ path, names }) => (names === undefined ? isTable(path) : partIn(names, 'train') !== undefined),
  find,
};

/** Whether a file is called like a table. */
export function isTable(path: string): boolean {
  return TABLE.test(path);
}

async function find(place: Place, context: FindContext): Promise<Found> {
  // Loaded if it is needed: every command knows the kinds of sources.
  const { headerAt, listed, quoted } = await import('../table/rows.ts');
  const { testSplit = DEFAULT_TEST_SPLIT, target, head } = context.reading;
  const files = filesAt(place);
  const [{ path } = { path: place.path }] = files;
  const header = await headerAt(path);
  const columns = listed(header.filter((name) => name !== ''));
  if (target === undefined) {
    throw new DatasetError(`${path}: which column is the model to tell? Name it by --target. There are ${columns}.`, {
      file: path,
    });
  }
  if (!header.includes(target)) {
    throw new DatasetError(`${path} has no column ${quoted(target)}, which --target names. There are ${columns}.`, {
      file: path,
    });
  }
  const key = await keyOf(files, { testSplit, target, head });
  const make = async (print: Print) => {
    const { makeTable } = await import('../table/make.ts');
    return makeTable({ files, testSplit, header, target, head }, { ...context, print });
  };
  return openPacked(context, key, make, place.path);
}

function filesAt({ path, names }: Place): TableFiles['files'] {
  if (names === undefined) return [{ path }];
  const [train, test] = [partIn(names, 'train') as string, partIn(names, 'test')];
  if (test !== undefined)
    return [
      { path: join(path, train), isTraining: true },
      { path: join(path, test), isTraining: false },
    ];
  const advice = `Add one, or name ${join(path, train)} itself: some of its rows are then held back, by --test-split`;
  throw new DatasetError(`${path} has ${train}, but no test.csv beside it. ${advice}.`, { file: path });
}

function partIn(names: readonly string[], part: string): string | undefined {
  return names.find((name) => isTable(name) && name.toLowerCase().startsWith(`${part}.`));
}

/** Names what decides the samples: another file, or other options, make another set. */
async function keyOf(files: TableFiles['files'], options: object): Promise<string> {
  const found = await Promise.all(
    files.map(async ({ path }) => {
      const { size, mtimeMs } = await stat(path);
      return { path, size, mtimeMs };
    }),
  );
  return sha256(JSON.stringify(['table', VERSION, found, options]));
}
