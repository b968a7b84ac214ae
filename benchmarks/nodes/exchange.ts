import { readFileSync, writeFileSync } from 'node:fs';
import { type MeasureOptions, measureExchange, type Runs, withParts } from './exchange-measurements.ts';
import { printTables } from './exchange-tables.ts';

export interface ExchangeOptions extends MeasureOptions {
  /** File that what was measured is written to. */
  readonly save?: string | undefined;
  /** Such a file of an earlier run: nothing is measured. */
  readonly from?: string | undefined;
}

/** The parts of steps and rounds over nodes, a model of them, its check, and what it says of more machines than this one. */
export async function exchange({ save, from, ...options }: ExchangeOptions): Promise<void> {
  const runs = from === undefined ? await measureExchange(options) : (JSON.parse(readFileSync(from, 'utf8')) as Runs);
  if (save !== undefined) writeFileSync(save, `${JSON.stringify(runs, null, 2)}\n`);
  printTables(withParts(runs));
}
