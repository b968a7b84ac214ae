import { basename, extname } from 'node:path';
import { CsvError, type Parser, parse } from 'csv-parse';
import { DatasetError } from '../../util/errors.ts';
import { openPlainFile } from '../../util/plain-file.ts';
import { printable } from '../../util/printable.ts';
import { MAX_COLUMN_TEXT, MAX_COLUMNS } from '../preparation.ts';
import { numberIn } from './cells.ts';

/** Bytes of a table's file. */
export const MAX_FILE_BYTES = 2 ** 31;
/** Bytes of one row: a quote that is never closed takes the rest of a file into one. */
const MAX_ROW_BYTES = 2 ** 22;
const CHUNK_BYTES = 2 ** 16;
const MAX_SHOWN = 60;
/** Names that an error lists. */
const MAX_LISTED = 40;
const DELIMITERS = [',', '\t', ';'] as const;

/** Some rows of a table, one after the other. */
export interface Rows {
  /** The names of the columns; that of a column without one is empty. */
  readonly header: readonly string[];
  /** The place of each row, as spreadsheets count: the header is row 1. */
  readonly places: readonly number[];
  /** As many cells each, without spaces around them. */
  readonly rows: readonly (readonly string[])[];
}

type Records = Omit<Rows, 'header'>;

/**
 * The rows of a table, as they come. Empty lines are passed over. Commas, tabs or semicolons separate cells, whichever the first line
 * has most of; tabs if the file is called .tsv.
 * @param onRead called with the share of the file that has been read
 * @throws DatasetError if the file can't be read, isn't a table or is too large
 */
export async function* readTable(path: string, onRead?: (share: number) => void): AsyncGenerator<Rows, void> {
  let header: readonly string[] | undefined;
  for await (const { places, rows } of recordsOf(path, onRead)) {
    const start = header === undefined ? 1 : 0;
    header ??= headerOf(rows[0] as readonly string[], path);
    for (const [i, row] of rows.entries()) checkCells(row, places[i] as number, header.length, path);
    yield { header, places: places.slice(start), rows: rows.slice(start) };
  }
  if (header === undefined) throw badTable(path, 'it is empty');
}

function checkCells({ length }: readonly string[], place: number, columns: number, path: string): void {
  if (length === columns) return;
  throw badTable(path, `row ${place}: expected ${columns} cells as the first row has names, but it has ${length}`);
}

/** The names of a table's columns. @throws DatasetError as `readTable` */
export async function headerAt(path: string): Promise<readonly string[]> {
  for await (const { header } of readTable(path)) return header;
  throw badTable(path, 'it is empty');
}

export function badTable(path: string, problem: string, cause?: unknown): DatasetError {
  return new DatasetError(`${path} can't be read as a table: ${problem}.`, { file: path, cause });
}

/** A cell in a message. */
export function quoted(cell: string): string {
  return `"${printable(cell.slice(0, MAX_SHOWN))}${cell.length > MAX_SHOWN ? '…' : ''}"`;
}

/** Names of columns in a message. */
export function listed(names: readonly string[]): string {
  const shown = names.slice(0, MAX_LISTED).map((name) => printable(name.slice(0, MAX_SHOWN)));
  return `${shown.join(', ')}${names.length > MAX_LISTED ? ` and ${names.length - MAX_LISTED} more` : ''}`;
}

/** @returns the names; that of a column without one is empty */
function headerOf(cells: readonly string[], path: string): readonly string[] {
  if (cells.length > MAX_COLUMNS) {
    throw badTable(path, `it has ${cells.length} columns; ${MAX_COLUMNS} is the most`);
  }
  if (cells.length < 2) {
    throw badTable(path, 'expected at least two columns, separated by commas, tabs or semicolons, but it has one');
  }
  const long = cells.find((name) => name.length > MAX_COLUMN_TEXT);
  if (long !== undefined)
    throw badTable(path, `the name of a column, ${quoted(long)}, has over ${MAX_COLUMN_TEXT} characters`);
  if (cells.every((name) => name === '' || numberIn(name) !== undefined)) {
    throw badTable(path, `expected the columns' names in its first line, but that has numbers, such as ${cells[0]}`);
  }
  const seen = new Set<string>();
  for (const name of cells) {
    if (name !== '' && seen.has(name)) throw badTable(path, `two of its columns are called ${quoted(name)}`);
    seen.add(name);
  }
  return cells;
}

/** All rows, some at a time. What the parser holds meanwhile is bounded by a row's bytes: it doesn't count empty cells. */
async function* recordsOf(path: string, onRead?: (share: number) => void): AsyncGenerator<Records, void> {
  const found: Found = { last: 0, places: [], rows: [] };
  let parser: Parser | undefined;
  let since = 0;
  try {
    for await (const { chunk, at, size } of chunksOf(path)) {
      checkText(chunk, at, path);
      parser ??= parserOf(path, chunk, found);
      const { last } = found;
      await written(parser, chunk);
      since = found.last > last ? 0 : since + chunk.length;
      if (since > MAX_ROW_BYTES) throw badTable(path, tooLong(last + 1));
      onRead?.((at + chunk.length) / size);
      if (found.rows.length > 0) yield taken(found);
    }
    if (parser !== undefined) await written(parser, undefined);
    if (found.rows.length > 0) yield taken(found);
  } catch (error) {
    if (error instanceof DatasetError) throw error;
    if (error instanceof CsvError) throw badTable(path, csvProblem(error, found.last + 1), error);
    throw badTable(path, (error as Error).message, error);
  } finally {
    parser?.destroy();
  }
}

/** What the parser has found: the place of the last row, empty ones included, and the rows since the last batch. */
interface Found {
  last: number;
  places: number[];
  rows: string[][];
}

function taken(found: Found): Records {
  const { places, rows } = found;
  found.places = [];
  found.rows = [];
  return { places, rows };
}

/** The parser keeps pieces of chunks, so each is memory of its own. @throws the file system's error */
async function* chunksOf(path: string): AsyncGenerator<{ chunk: Buffer; at: number; size: number }, void> {
  const file = await openPlainFile(path, 'read');
  try {
    const { size } = await file.stat();
    if (size > MAX_FILE_BYTES) throw badTable(path, 'it has more than 2 GiB');
    for (let at = 0; at < size; ) {
      const { bytesRead, buffer } = await file.read(Buffer.allocUnsafe(CHUNK_BYTES), 0, CHUNK_BYTES, at);
      if (bytesRead === 0) return;
      yield { chunk: buffer.subarray(0, bytesRead), at, size };
      at += bytesRead;
    }
  } finally {
    await file.close();
  }
}

/** @throws DatasetError if bytes can't be text in UTF-8 */
function checkText(chunk: Buffer, at: number, path: string): void {
  const mark = at === 0 && chunk.length >= 2 ? chunk.readUInt16BE() : 0;
  if (mark === 0xfffe || mark === 0xfeff) throw badTable(path, 'it is in UTF-16. Save it in UTF-8');
  const nul = chunk.indexOf(0);
  if (nul >= 0) throw badTable(path, `expected text, but byte ${at + nul} is 0`);
}

function parserOf(path: string, start: Buffer, found: Found): Parser {
  const parser = parse({
    bom: true,
    delimiter: delimiterOf(path, start),
    // A table may mix them; the parser would take the first alone.
    record_delimiter: ['\r\n', '\n', '\r'],
    // Rows are counted and checked here.
    relax_column_count: true,
    max_record_size: MAX_ROW_BYTES,
    on_record: (record: string[]) => {
      found.last++;
      // An empty line: a table has two columns at least.
      if (record.length === 1 && record[0] === '') return null;
      found.places.push(found.last);
      found.rows.push(record.map((cell) => cell.trim()));
      return null;
    },
  });
  parser.resume();
  // Each write reports its own failure.
  parser.on('error', () => {});
  return parser;
}

function delimiterOf(path: string, start: Buffer): string {
  if (/^\.(tsv|tab)$/i.test(extname(path))) return '\t';
  const [line = ''] = start
    .toString('latin1')
    .replaceAll(/"[^"]*"/g, '')
    .split(/[\r\n]/, 1);
  const counts = DELIMITERS.map((each) => line.split(each).length);
  return DELIMITERS[counts.indexOf(Math.max(...counts))] as string;
}

/** Parses a piece of the file; undefined: its end. @throws CsvError */
function written(parser: Parser, chunk: Buffer | undefined): Promise<void> {
  return new Promise((resolve, reject) => {
    const done = (error?: Error | null): void => (error ? reject(error) : resolve());
    if (chunk === undefined) parser.end(done);
    else parser.write(chunk, done);
  });
}

function csvProblem({ code, message }: CsvError, row: number): string {
  if (code === 'CSV_QUOTE_NOT_CLOSED') return `a quote that begins in row ${row} isn't closed`;
  if (code === 'CSV_MAX_RECORD_SIZE') return tooLong(row);
  return `row ${row}: ${printable(message).slice(0, 200)}`;
}

function tooLong(row: number): string {
  return `row ${row} has more than ${MAX_ROW_BYTES} bytes: expected at most ${MAX_COLUMNS} columns, and quotes that are closed`;
}

/** A table's name in messages. */
export function tableName(path: string): string {
  return printable(basename(path));
}
