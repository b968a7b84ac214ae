import { dirname } from 'node:path';
import { recordedData } from '../../coordinator/run/list.ts';
import type { SavedModel } from '../../coordinator/run/saved-model.ts';
import { type PredictedRow, predictTable } from '../../library/predict-table.ts';
import { numbered } from '../../shared/data/dataset.ts';
import { openDataset } from '../../shared/data/open.ts';
import { isTable } from '../../shared/data/sources/table.ts';
import { UsageError } from '../../shared/util/errors.ts';
import { shownPath } from '../../shared/util/shown-path.ts';
import { print } from '../print.ts';
import { JsonOutput, type Output, type Source, TextOutput } from './output.ts';

export interface TableFlags {
  readonly data: string | undefined;
  readonly json: boolean;
}

/** Whether files are tables. @throws UsageError if only some are */
export function areTables(files: readonly string[]): boolean {
  const tables = files.filter(isTable);
  if (tables.length === 0 || tables.length === files.length) return tables.length > 0;
  throw new UsageError(
    `Expected tables or pictures, but ${tables.length} of ${files.length} files are tables. Name them apart.`,
  );
}

/** Predicts the rows of tables. @returns whether all could be read */
export async function predictTables(
  model: SavedModel,
  files: readonly string[],
  { data, json, source }: TableFlags & { readonly source: Source },
): Promise<boolean> {
  const dataset = await trainingSetOf(model, data);
  const { classNames: names } = dataset;
  const output: Output = json
    ? new JsonOutput(source, names, 'rows')
    : new TextOutput(Number.POSITIVE_INFINITY, model.layout.input, names);
  let failures = 0;
  for (const file of files)
    for await (const row of predictTable(model, file, { dataset, print })) if (!printed(row, output)) failures++;
  output.end();
  return failures === 0;
}

/** What a model was trained on: its checkpoint tells, unless that would take too long. */
async function trainingSetOf({ checkpoint, layout }: SavedModel, data: string | undefined) {
  const { preparation, classNames, digests } = checkpoint;
  const { classes } = layout;
  if (preparation !== undefined) return { preparation, classNames: classNames ?? numbered(classes), classes };
  const recorded = await recordedData(dirname(dirname(checkpoint.file)));
  const dataset = await openDataset({ flag: data, env: process.env, print, trainedOn: digests.dataset, recorded });
  if (dataset.sha256 === digests.dataset) return dataset;
  throw new UsageError(`The weights weren't trained on ${dataset.name}: name their data set by --data.`);
}

/** @returns whether the row could be read */
function printed(predicted: PredictedRow, output: Output): boolean {
  const { file, row } = predicted;
  if ('problem' in predicted) {
    print(`${shownPath(file)} [${row}]: ${predicted.problem}.`);
    output.image({ file, index: row, problem: predicted.problem });
    return false;
  }
  const { trace, numbers } = predicted;
  output.image({ file, index: row, ...trace, ...(numbers && { numbers }) });
  return true;
}
