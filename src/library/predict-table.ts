import type { SavedModel } from '../coordinator/run/saved-model.ts';
import { Inspector, type OutputTrace } from '../inspect/activations/inspector.ts';
import { refuseOverflow } from '../inspect/activations/overflow.ts';
import type { Contents } from '../shared/data/dataset.ts';
import { RowEncoder } from '../shared/data/table/encode.ts';
import { placesOf } from '../shared/data/table/files.ts';
import { quoted, readTable } from '../shared/data/table/rows.ts';
import { compileInspector } from '../shared/engine/wasm/exports.ts';
import { shapeSize } from '../shared/model/shape.ts';
import { UsageError } from '../shared/util/errors.ts';
import type { Print } from '../shared/util/notice.ts';

/** A row with what the model makes of it, or the reason why it can't be used. */
export type PredictedRow = {
  readonly file: string;
  /** As spreadsheets count: the header is row 1. */
  readonly row: number;
} & (Told | { readonly problem: string });

interface Told {
  readonly trace: OutputTrace;
  /** Of numbers, the outputs in the unit of the target's column. */
  readonly numbers?: readonly number[];
}

export interface PredictTableOptions {
  /** What the model was trained on. */
  readonly dataset: Pick<Contents, 'preparation' | 'classes'>;
  readonly print: Print;
}

/**
 * Predicts the rows of a table in order, prepared as those that the model was trained on. It may have further columns.
 * @throws UsageError if the model wasn't trained on a table, DatasetError if the file can't be read or lacks a column, CheckpointError
 * if the weights are so large that their sums overflow
 */
export async function* predictTable(
  { layout, weights, checkpoint }: SavedModel,
  file: string,
  { dataset: { preparation, classes }, print }: PredictTableOptions,
): AsyncGenerator<PredictedRow> {
  if (preparation?.kind !== 'table') {
    throw new UsageError(
      `${file} is a table, but ${layout.spec.name} wasn't trained on one. Use the weights of another run.`,
    );
  }
  const { columns, scaling } = preparation;
  const encoder = new RowEncoder(columns);
  if (encoder.features !== shapeSize(layout.input) || classes !== layout.classes) {
    throw new UsageError(
      `${layout.spec.name} wasn't trained on this data set: it takes ${shapeSize(layout.input)} features.`,
    );
  }
  const inspector = new Inspector(compileInspector(), layout, { inputs: 'float32' });
  inspector.setWeights(weights);
  const unknown = new UnknownCategories();
  const sample = new Float32Array(encoder.features);
  let places: readonly number[] | undefined;
  for await (const batch of readTable(file)) {
    places ??= placesOf(
      columns.map(({ name }) => name),
      batch.header,
      file,
    );
    for (const [i, cells] of batch.rows.entries()) {
      const own = places.map((place) => cells[place] as string);
      const problem = encoder.encode(own, sample, (column, cell) => unknown.add(column, cell));
      const row = { file, row: batch.places[i] as number };
      if (problem !== undefined) {
        yield { ...row, problem };
        continue;
      }
      const trace = inspector.show(sample);
      refuseOverflow([trace.probabilities ?? trace.outputs], checkpoint.file);
      const numbers = scaling && [...trace.outputs].map((value) => value * scaling.deviation + scaling.mean);
      yield { ...row, trace, ...(numbers && { numbers }) };
    }
  }
  for (const line of unknown.lines()) print(line, 'warn');
}

/** Categories that the training part didn't have, by their column. */
class UnknownCategories {
  readonly #found = new Map<string, { readonly cell: string; rows: number }>();

  add(column: string, cell: string): void {
    const found = this.#found.get(column);
    if (found === undefined) this.#found.set(column, { cell, rows: 1 });
    else found.rows++;
  }

  lines(): string[] {
    return [...this.#found].map(([column, { cell, rows }]) => {
      const many = `${rows} row${rows === 1 ? ' has' : 's have'} a ${quoted(column)} that the training part didn't have`;
      return `Note: ${many}, such as ${quoted(cell)}: like a missing one it counts as no category.`;
    });
  }
}
