import type { TableColumn } from '../preparation.ts';
import type { FindContext } from '../source.ts';
import { ColumnScan, type Held } from './columns.ts';
import { eachRow, type TableFiles } from './files.ts';
import { badTable, quoted } from './rows.ts';
import { type Target, TargetScan } from './target.ts';

export interface TableSource extends TableFiles {
  /** The column that the model is to tell. */
  readonly target: string;
  /** All columns by their names; that of one without a name is empty. */
  readonly header: readonly string[];
  /** The model's head, if one was given. */
  readonly head: string | undefined;
}

/** What a table holds, as far as a model sees it. */
export interface TableForm {
  readonly columns: readonly TableColumn[];
  readonly target: Target;
  /** Rows with a target. */
  readonly samples: number;
  readonly testSamples: number;
  /** What people should know of it. */
  readonly notes: readonly string[];
}

interface Pass {
  readonly columns: readonly ColumnScan[];
  readonly target: TargetScan;
  readonly counts: { train: number; test: number; unanswered: number };
}

/** Reads all rows, once or twice, to find out what they have. @throws DatasetError if the table can't be used */
export async function scanTable(source: TableSource, show?: FindContext['show']): Promise<TableForm> {
  let pass = await scanOnce(source, new Set(), show);
  const late = pass.columns.filter(({ isHalfRead }) => isHalfRead).map(({ name }) => name);
  if (late.length > 0) pass = await scanOnce(source, new Set(late), show);
  const path = source.files[0]?.path as string;
  const { train, test, unanswered } = pass.counts;
  checkParts(pass.counts, source, path);
  const { target, notes } = pass.target.found(path, source.head);
  const columns: TableColumn[] = [];
  const said: string[] = [];
  for (const scan of pass.columns) {
    const found = scan.found(path);
    if ('column' in found) columns.push(found.column);
    const note = 'leftOut' in found ? `it is left out: ${found.leftOut}` : found.note;
    if (note !== undefined) said.push(`column ${quoted(scan.name)}: ${note}`);
  }
  if (columns.length === 0)
    throw badTable(path, `no column beside ${quoted(source.target)} is left: ${said.join('; ')}`);
  const unnamed = source.header.filter((name) => name === '').length;
  if (unnamed > 0) said.unshift(`${unnamed} column${unnamed === 1 ? '' : 's'} without a name: left out`);
  if (unanswered > 0)
    said.push(`${unanswered} row${unanswered === 1 ? '' : 's'} without a ${quoted(source.target)}: left out`);
  return {
    columns,
    target,
    samples: train,
    testSamples: test,
    notes: [...said, ...notes.map((note) => `${quoted(source.target)}: ${note}`)],
  };
}

async function scanOnce(
  source: TableSource,
  categories: ReadonlySet<string>,
  show: FindContext['show'],
): Promise<Pass> {
  const held: Held = { values: 0 };
  const names = source.header.filter((name) => name !== '' && name !== source.target);
  const columns = names.map((name) => new ColumnScan(name, categories.has(name), held));
  const target = new TargetScan(source.target);
  const counts = { train: 0, test: 0, unanswered: 0 };
  await eachRow(
    source,
    [...names, source.target],
    (cells, isTraining, place) => {
      if (!target.add(cells.at(-1) as string, isTraining, place)) {
        counts.unanswered++;
        return;
      }
      counts[isTraining ? 'train' : 'test']++;
      for (const [i, column] of columns.entries()) column.add(cells[i] as string, isTraining, place);
    },
    show,
  );
  return { columns, target, counts };
}

function checkParts(
  { train, test, unanswered }: Pass['counts'],
  { files, testSplit, target }: TableSource,
  path: string,
): void {
  if (train > 0 && test > 0) return;
  const rows = train + test;
  if (rows === 0) {
    const problem =
      unanswered === 0 ? 'it has no rows' : `none of its ${unanswered} rows has a value of ${quoted(target)}`;
    throw badTable(path, problem);
  }
  const part = train === 0 ? 'training' : 'test';
  if (files.length > 1) throw badTable(path, `the ${part} part has no rows`);
  const advice = `Give more rows, or ${train === 0 ? 'less' : 'more'} by --test-split`;
  throw badTable(path, `none of its ${rows} rows is in the ${part} part (--test-split ${testSplit}). ${advice}`);
}
