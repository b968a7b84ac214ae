import { MAX_COLUMN_TEXT, type TableColumn } from '../preparation.ts';
import { isMissing, Moments, numberIn } from './cells.ts';
import { badTable, quoted } from './rows.ts';

/** A column has no more categories, and a target no more classes. */
export const MAX_VALUES = 1000;
/** Categories that a column may have even if almost every row has its own. */
const FEW_VALUES = 20;
/** Values of all columns that are held at a time. */
const MAX_HELD = 2 ** 17;

/** Where a cell is. */
export interface Place {
  readonly path: string;
  readonly row: number;
}

/** The number of different values that all columns of a table hold. */
export interface Held {
  values: number;
}

/** A cell that is no number. */
export interface Word {
  readonly cell: string;
  readonly row: number;
}

/**
 * What a column has, found in one pass over its rows: numbers only, or else categories. Its kind follows from all rows, its mean,
 * deviation and categories from the training part.
 */
export class ColumnScan {
  readonly name: string;
  readonly isCategory: boolean;
  readonly #held: Held;
  readonly #moments = new Moments();
  readonly #values = new Set<string>();
  #firstWord: Word | undefined;
  #numbers = 0;
  #words = 0;
  #trained = 0;
  /** Why the column can't be used. */
  #problem: string | undefined;

  /** @param isCategory whether an earlier pass found words */
  constructor(name: string, isCategory: boolean, held: Held) {
    this.name = name;
    this.isCategory = isCategory;
    this.#held = held;
  }

  /** @throws DatasetError if the cell has a number that is too large, or the table too many different values */
  add(cell: string, isTraining: boolean, place: Place): void {
    if (isMissing(cell)) return;
    const value = numberIn(cell);
    if (value === undefined) {
      this.#words++;
      this.#firstWord ??= { cell, row: place.row };
      checkUtf8(cell, this.name, place);
    } else {
      this.#numbers++;
      checkFinite(value, cell, this.name, place);
    }
    if (!isTraining) return;
    this.#trained++;
    if (value !== undefined) this.#moments.add(value);
    if (this.isCategory || this.#words > 0) this.#addCategory(cell);
  }

  /** Whether words came after numbers, which as categories haven't been collected: the rows have to be read again. */
  get isHalfRead(): boolean {
    return !this.isCategory && this.#words > 0;
  }

  /** What of it a model sees, or why it sees nothing. */
  found(path: string): { readonly column: TableColumn; readonly note?: string } | { readonly leftOut: string } {
    const { name } = this;
    if (this.#problem !== undefined) return { leftOut: this.#problem };
    if (this.#trained === 0) return { leftOut: 'it has no value in the training part' };
    if (this.#words === 0) return { column: { kind: 'number', name, ...finiteMoments(this.#moments, name, path) } };
    const { size } = this.#values;
    if (size > FEW_VALUES && 2 * size > this.#trained) {
      return { leftOut: `${size} different values in ${this.#trained} rows${this.#likeNames}` };
    }
    const column = { kind: 'category', name, values: [...this.#values].sort(byCodeUnits) } as const;
    if (this.#numbers <= this.#words) return { column };
    const { cell, row } = this.#firstWord as Word;
    return {
      column,
      note: `most of its cells are numbers, but ${quoted(cell)} in row ${row} isn't, so it has categories`,
    };
  }

  #addCategory(cell: string): void {
    if (this.#problem !== undefined || this.#values.has(cell)) return;
    this.#values.add(cell);
    this.#held.values++;
    if (cell.length > MAX_COLUMN_TEXT) this.#leaveOut(`it has texts of over ${MAX_COLUMN_TEXT} characters`);
    else if (this.#values.size > MAX_VALUES)
      this.#leaveOut(`more than ${MAX_VALUES} different values${this.#likeNames}`);
    else if (this.#held.values > MAX_HELD) this.#leaveOut('the table has too many different values in all');
  }

  #leaveOut(problem: string): void {
    this.#problem = problem;
    this.#held.values -= this.#values.size;
    this.#values.clear();
  }

  get #likeNames(): string {
    const { cell, row } = this.#firstWord as Word;
    const example = `such as ${quoted(cell)} in row ${row}`;
    if (this.#numbers > 0 || /^[+-]?[\d.,' ]+$/.test(cell)) return `, ${example}, which isn't a number like 1234.5`;
    return `, ${example}, which tell rows apart, not kinds`;
  }
}

/** By code units, as JavaScript sorts texts: the same everywhere. */
export function byCodeUnits(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

/** @throws DatasetError */
export function checkFinite(value: number, cell: string, column: string, { path, row }: Place): void {
  if (!Number.isFinite(value))
    throw badTable(path, `row ${row}: ${quoted(column)}: ${quoted(cell)} is too large a number`);
}

/** @throws DatasetError */
export function checkUtf8(cell: string, column: string, { path, row }: Place): void {
  if (cell.includes('\uFFFD')) throw badTable(path, `row ${row}: ${quoted(column)}: ${quoted(cell)} isn't in UTF-8`);
}

/** @throws DatasetError if the numbers are so large that their squares overflow */
export function finiteMoments({ mean, deviation }: Moments, column: string, path: string) {
  if (Number.isFinite(mean) && Number.isFinite(deviation)) return { mean, deviation };
  throw badTable(path, `the numbers of its column ${quoted(column)} are too large to be standardised`);
}
