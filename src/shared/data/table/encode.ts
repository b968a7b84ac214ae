import type { TableColumn } from '../preparation.ts';
import { isMissing, numberIn } from './cells.ts';
import { quoted } from './rows.ts';

/** The number of values that a model sees of these columns. */
export function featuresIn(columns: readonly TableColumn[]): number {
  return columns.reduce((sum, column) => sum + widthOf(column), 0);
}

function widthOf(column: TableColumn): number {
  return column.kind === 'number' ? 1 : column.values.length;
}

/** Makes rows samples of a model, as a table's columns were prepared for its training. */
export class RowEncoder {
  readonly features: number;
  readonly #columns: readonly {
    readonly column: TableColumn;
    readonly at: number;
    readonly places?: Map<string, number>;
  }[];

  constructor(columns: readonly TableColumn[]) {
    this.features = featuresIn(columns);
    let at = 0;
    this.#columns = columns.map((column) => {
      const own = { column, at };
      at += widthOf(column);
      if (column.kind === 'number') return own;
      return { ...own, places: new Map(column.values.map((value, place) => [value, place])) };
    });
  }

  /**
   * @param cells in the order of the columns
   * @param features [features]: receives what the model sees
   * @param onUnknown called for a category that the training part didn't have: all of the column's features are 0
   * @returns what is wrong with the row; undefined: nothing
   */
  encode(
    cells: readonly string[],
    features: Float32Array,
    onUnknown?: (column: string, cell: string) => void,
  ): string | undefined {
    features.fill(0);
    for (const [i, { column, at, places }] of this.#columns.entries()) {
      const cell = cells[i] as string;
      if (isMissing(cell)) continue;
      if (column.kind === 'category') {
        const place = places?.get(cell);
        if (place === undefined) onUnknown?.(column.name, cell);
        else features[at + place] = 1;
        continue;
      }
      const value = numberIn(cell);
      if (value === undefined)
        return `${quoted(column.name)}: expected a number such as 1234.5, but got ${quoted(cell)}`;
      features[at] = (value - column.mean) / column.deviation;
      if (!Number.isFinite(features[at]))
        return `${quoted(column.name)}: ${quoted(cell)} is too far from the training part's numbers`;
    }
    return undefined;
  }
}
