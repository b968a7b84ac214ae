import { type Contents, OWN_ARRAYS, type Split } from '../dataset.ts';
import { leakedSamples } from '../duplicates.ts';
import { checkSize } from '../limits.ts';
import type { TableColumn } from '../preparation.ts';
import type { FindContext } from '../source.ts';
import { numberIn } from './cells.ts';
import { featuresIn, RowEncoder } from './encode.ts';
import { eachRow } from './files.ts';
import { badTable, quoted, tableName } from './rows.ts';
import { scanTable, type TableForm, type TableSource } from './scan.ts';
import type { Target } from './target.ts';

/** Notes that are printed. */
const MAX_NOTES = 12;

/** Makes a table a data set. @throws DatasetError if it can't be read or used */
export async function makeTable(source: TableSource, { print, show }: FindContext): Promise<Contents> {
  const path = source.files[0]?.path as string;
  const form = await scanTable(source, show);
  const contents = await fill(source, form, show);
  for (const line of form.notes.slice(0, MAX_NOTES)) print(`${tableName(path)}: ${line}.`, 'warn');
  if (form.notes.length > MAX_NOTES)
    print(`${tableName(path)}: ${form.notes.length - MAX_NOTES} more such notes.`, 'warn');
  const leaked = leakedSamples(contents);
  if (leaked > 0) {
    const text = `${leaked} of ${form.testSamples} test rows ${leaked === 1 ? 'is' : 'are'} in the training part too`;
    print(`${tableName(path)}: ${text}, as the model sees them: they say nothing about new rows.`, 'warn');
  }
  return contents;
}

async function fill(source: TableSource, form: TableForm, show: FindContext['show']): Promise<Contents> {
  const { columns, target, samples, testSamples } = form;
  const path = source.files[0]?.path as string;
  const features = featuresIn(columns);
  const classNames = target.kind === 'classes' ? target.names : [source.target];
  const shape = { maps: features, height: 1, width: 1, classes: classNames.length } as const;
  const targets = target.kind === 'classes' ? 'uint16' : 'float32';
  checkSize({ ...shape, inputs: 'float32', targets, samples, testSamples }, path);
  const [train, test] = [new PartFiller(samples, form), new PartFiller(testSamples, form)];
  await eachRow(
    source,
    [...columns.map(({ name }) => name), source.target],
    (cells, isTraining, { path: file, row }) => {
      const problem = (isTraining ? train : test).add(cells);
      if (problem !== undefined) throw badTable(file, `row ${row}: ${problem}`);
    },
    show,
  );
  if (!train.isFull || !test.isFull) throw badTable(path, CHANGED);
  const scaling = target.kind === 'number' ? { scaling: target.scaling } : {};
  return {
    ...{ ...shape, classNames },
    preparation: { kind: 'table', target: source.target, ...scaling, columns: [...columns] },
    train: train.split,
    test: test.split,
  };
}

const CHANGED = 'was changed while it was read';

/** One part of a table, row by row. */
class PartFiller {
  readonly split: Split;
  readonly #encoder: RowEncoder;
  readonly #target: Target;
  readonly #inputs: Float32Array;
  #filled = 0;

  constructor(
    count: number,
    { columns, target }: { readonly columns: readonly TableColumn[]; readonly target: Target },
  ) {
    this.#encoder = new RowEncoder(columns);
    this.#target = target;
    this.#inputs = OWN_ARRAYS.float32(count * this.#encoder.features);
    const targets = target.kind === 'classes' ? OWN_ARRAYS.uint16(count) : OWN_ARRAYS.float32(count);
    this.split = { inputs: this.#inputs, targets, count };
  }

  get isFull(): boolean {
    return this.#filled === this.split.count;
  }

  /** @param cells of the columns, and of the target; a row without that is passed over. @returns what is wrong with the row */
  add(cells: readonly string[]): string | undefined {
    const answer = this.#answer(cells.at(-1) as string);
    if (answer === undefined) return undefined;
    if (this.isFull) return CHANGED;
    const { features } = this.#encoder;
    const at = this.#filled * features;
    const problem = this.#encoder.encode(cells, this.#inputs.subarray(at, at + features));
    if (problem !== undefined) return problem;
    this.split.targets[this.#filled++] = answer;
    return Number.isFinite(Math.fround(answer))
      ? undefined
      : `${quoted(cells.at(-1) as string)} is too far from the other targets`;
  }

  #answer(cell: string): number | undefined {
    if (this.#target.kind === 'classes') return this.#target.classOf.get(cell);
    const { mean, deviation } = this.#target.scaling;
    const value = numberIn(cell);
    return value === undefined ? undefined : (value - mean) / deviation;
  }
}
