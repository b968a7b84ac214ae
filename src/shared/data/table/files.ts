import { createHash } from 'node:crypto';
import type { FindContext } from '../source.ts';
import type { Place } from './columns.ts';
import { badTable, listed, quoted, readTable, tableName } from './rows.ts';

/** The files of a table, and which of its rows train. */
export interface TableFiles {
  /** One that is split, or one of each part: all rows of a file are then of its part. */
  readonly files: readonly { readonly path: string; readonly isTraining?: boolean }[];
  /** The share of rows that test, if there is one file. */
  readonly testSplit: number;
}

/** @param cells in the order of the names */
export type VisitRow = (cells: readonly string[], isTraining: boolean, place: Place) => void;

const HASH_BYTES = 6;

/**
 * Visits all rows in order.
 * @param names the columns; a file may have them in any order, and others
 * @throws DatasetError if a file can't be read or lacks a column
 */
export async function eachRow(
  { files, testSplit }: TableFiles,
  names: readonly string[],
  visit: VisitRow,
  show?: FindContext['show'],
): Promise<void> {
  try {
    for (const { path, isTraining } of files) {
      let places: readonly number[] | undefined;
      for await (const batch of readTable(path, percentages(path, show))) {
        places ??= placesOf(names, batch.header, path);
        for (const [i, row] of batch.rows.entries()) {
          const cells = places.map((place) => row[place] as string);
          visit(cells, isTraining ?? !isHeldBack(row, testSplit), { path, row: batch.places[i] as number });
        }
      }
    }
  } finally {
    show?.('');
  }
}

/** Where a file has each of the columns. @throws DatasetError if it lacks one */
export function placesOf(names: readonly string[], header: readonly string[], path: string): number[] {
  const places = new Map(header.map((name, place) => [name, place]));
  const missing = names.filter((name) => !places.has(name));
  if (missing.length === 0) return names.map((name) => places.get(name) as number);
  const which = missing.length === 1 ? `the column ${quoted(missing[0] as string)}` : `the columns ${listed(missing)}`;
  throw badTable(path, `it lacks ${which}. It has ${listed(header)}`);
}

/** Whether a row tests: by its own cells, so that it stays in its part if rows are added or sorted, and equal rows are in one part. */
function isHeldBack(cells: readonly string[], testSplit: number): boolean {
  const hash = createHash('sha256').update(JSON.stringify(cells)).digest();
  return hash.readUIntBE(0, HASH_BYTES) < testSplit * 2 ** (8 * HASH_BYTES);
}

function percentages(path: string, show: FindContext['show']): ((share: number) => void) | undefined {
  let last = -1;
  return (
    show &&
    ((share) => {
      const done = Math.floor(100 * share);
      if (done !== last) show(`Reading ${tableName(path)}: ${done} %`);
      last = done;
    })
  );
}
