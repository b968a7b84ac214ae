import { printable } from '../../util/printable.ts';
import { MAX_CLASS_NAME } from '../class-names.ts';
import type { TableScaling } from '../preparation.ts';
import { isMissing, Moments, numberIn } from './cells.ts';
import { byCodeUnits, checkFinite, checkUtf8, finiteMoments, MAX_VALUES, type Place, type Word } from './columns.ts';
import { badTable, quoted } from './rows.ts';

/** Whole numbers of so many values may be amounts. */
const MANY_CLASSES = 20;
/** Heads of models for classes, and for numbers. */
const CLASS_HEADS: ReadonlySet<string> = new Set(['softmax', 'rbf']);
const NUMBER_HEAD = 'mse';

/** What the model is to tell of a row: one of the classes, or a number, scaled. */
export type Target =
  | { readonly kind: 'classes'; readonly names: readonly string[]; readonly classOf: ReadonlyMap<string, number> }
  | { readonly kind: 'number'; readonly scaling: TableScaling };

/** The target's column, found in one pass over its rows: words and whole numbers are classes, fractions outputs. */
export class TargetScan {
  readonly name: string;
  readonly #moments = new Moments();
  /** Cells with their number of training rows; no longer complete once there are too many. */
  readonly #cells = new Map<string, number>();
  #hasTooMany = false;
  #isWhole = true;
  #firstWord: Word | undefined;

  constructor(name: string) {
    this.name = name;
  }

  /** @returns whether there is a value: rows without one are left out. @throws DatasetError if a number is too large */
  add(cell: string, isTraining: boolean, place: Place): boolean {
    if (isMissing(cell)) return false;
    const value = numberIn(cell);
    if (value === undefined) {
      this.#firstWord ??= { cell, row: place.row };
      checkUtf8(cell, this.name, place);
    } else {
      checkFinite(value, cell, this.name, place);
      if (!Number.isInteger(value)) this.#isWhole = false;
      if (isTraining) this.#moments.add(value);
    }
    const known = this.#cells.get(cell);
    if (known === undefined && this.#cells.size > MAX_VALUES) this.#hasTooMany = true;
    else this.#cells.set(cell, (known ?? 0) + Number(isTraining));
    return true;
  }

  /**
   * @param head the model's, if one was given
   * @returns what the target is, and notes on it for people
   * @throws DatasetError if it has only one class, too many of them, or words where there should be numbers
   */
  found(path: string, head: string | undefined): { readonly target: Target; readonly notes: readonly string[] } {
    const word = this.#firstWord;
    const isClass = CLASS_HEADS.has(head ?? '') || (head !== NUMBER_HEAD && (word !== undefined || this.#isWhole));
    if (isClass) return this.#classes(path);
    if (word !== undefined) {
      const text = `${quoted(word.cell)} in row ${word.row} isn't one`;
      throw badTable(path, `the head ${NUMBER_HEAD} takes numbers, but of the target ${quoted(this.name)} ${text}`);
    }
    return { target: { kind: 'number', scaling: finiteMoments(this.#moments, this.name, path) }, notes: [] };
  }

  #classes(path: string) {
    const areNumbers = this.#firstWord === undefined;
    const what = `the target ${quoted(this.name)}`;
    if (this.#hasTooMany) {
      const advice = areNumbers ? `. If it is an amount: --head ${NUMBER_HEAD}` : '. Name a column of fewer';
      throw badTable(path, `${what} has more than ${MAX_VALUES} different values, too many for classes${advice}`);
    }
    // 1 and 1.0 are one class.
    const nameOf = (cell: string): string => (areNumbers ? String(numberIn(cell)) : cell);
    const trained = new Map<string, number>();
    for (const [cell, rows] of this.#cells) trained.set(nameOf(cell), (trained.get(nameOf(cell)) ?? 0) + rows);
    const names = [...trained.keys()].sort(areNumbers ? (a, b) => Number(a) - Number(b) : byCodeUnits);
    if (names.length < 2)
      throw badTable(path, `${what} is ${quoted(names[0] ?? '')} in all rows: there is nothing to tell`);
    const odd = names.find((name) => name.length > MAX_CLASS_NAME || name !== printable(name));
    if (odd !== undefined) {
      throw badTable(
        path,
        `${what}: expected classes of up to ${MAX_CLASS_NAME} visible characters, but it has ${quoted(odd)}`,
      );
    }
    const places = new Map(names.map((name, place) => [name, place]));
    const classOf = new Map([...this.#cells.keys()].map((cell) => [cell, places.get(nameOf(cell)) as number]));
    const unseen = names.filter((name) => trained.get(name) === 0).length;
    const notes = [
      ...(areNumbers && names.length > MANY_CLASSES
        ? [`${names.length} whole numbers are classes; if they are amounts: --head ${NUMBER_HEAD}`]
        : []),
      ...(unseen > 0 ? [`${unseen} of its classes have no row in the training part`] : []),
    ];
    return { target: { kind: 'classes', names, classOf } as const, notes };
  }
}
