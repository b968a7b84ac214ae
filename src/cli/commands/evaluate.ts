import { findModel } from '../../coordinator/run/saved-model.ts';
import { isFound, type Rates, worstFirst } from '../../inspect/scores/class-scores.ts';
import { type EvaluationReport, evaluate as evaluateCheckpoint, type NamedScore } from '../../library/evaluate.ts';
import { resolveReadConfig } from '../../shared/config/config.ts';
import { datasetText } from '../../shared/data/registry.ts';
import { count, percent } from '../../shared/util/figures.ts';
import { shownPath } from '../../shared/util/shown-path.ts';
import { print, printJson, printLines } from '../print.ts';

/** Classes of which a terminal has room for a matrix, and labels and outputs that are all listed. */
const MAX_LISTED = 20;
/** Of more, the worst. */
const WORST = 10;
/** Characters of a class's name that a line has room for. */
const MAX_NAME = 24;

/** `lockstep evaluate [CHECKPOINT]`: classifies the test set by a checkpoint's weights. @returns the exit code: 1 if they aren't finite */
export async function evaluate(path: string | undefined, flags: Readonly<Record<string, unknown>>): Promise<number> {
  const { backend, data, reading, json } = resolveReadConfig({ flags, env: process.env });
  const { env } = process;
  const report = await evaluateCheckpoint(await findModel(path, { env, print }), {
    data,
    reading,
    backend,
    env,
    print,
  });
  if (json) printJson(report);
  else printLines(reportText(report));
  if (report.notFinite === undefined) return 0;
  print(
    `The weights of ${shownPath(report.checkpoint)}, or their loss, aren't finite: these figures mean nothing. ` +
      'Use a checkpoint from before they overflowed.',
  );
  return 1;
}

function reportText(report: EvaluationReport): string[] {
  const { testAccuracy, testR2, testMae, testRmse, perClass, perLabel, perOutput } = report;
  const samples = `${count(report.samples)} test samples`;
  const figures = [
    ['accuracy', testAccuracy === undefined ? undefined : `${percent(testAccuracy)} of ${samples}`],
    ['R²', testR2 === undefined ? undefined : `${testR2.toFixed(4)} on ${samples}`],
    ['MAE', testMae === undefined ? undefined : numberText(testMae)],
    ['RMSE', testRmse === undefined ? undefined : numberText(testRmse)],
    ['loss', report.testLoss.toFixed(4)],
  ];
  return [
    `checkpoint  ${shownPath(report.checkpoint)}`,
    `step        ${report.step}`,
    `weights     sha256 ${report.weightsSha256}`,
    `data        ${datasetText(report.dataset)}`,
    ...figures.flatMap(([name = '', text]) => (text === undefined ? [] : [name.padEnd(12) + text])),
    ...(perClass === undefined ? [] : ['', ...confusionText(report), '', ...scoresText('classes', perClass, report)]),
    ...(perLabel === undefined ? [] : ['', ...scoresText('labels', perLabel, report)]),
    ...(perOutput === undefined ? [] : ['', ...errorsText(perOutput)]),
  ];
}

function confusionText({ confusion, confused = [], classNames: names }: EvaluationReport): string[] {
  const nameOf = (k: number): string => (names?.[k] === undefined ? String(k) : shortName(names[k]));
  // Columns have no room for names: they are the rows' in the same order.
  const titled = (k: number): string => (names === undefined ? String(k) : `${nameOf(k)} ${k}`);
  if (confusion !== undefined && confusion.length <= MAX_LISTED)
    return [
      'test samples by truth (rows) and guess (columns)',
      ...table(
        ['', ...[...confusion.keys()].map(String)],
        confusion.map((row, truth) => [titled(truth), ...row.map(String)]),
        1,
      ),
    ];
  return [
    'the most frequent confusions',
    ...table(
      ['is', 'said', 'times'],
      confused.slice(0, MAX_LISTED).map(({ truth, guess, samples }) => [nameOf(truth), nameOf(guess), count(samples)]),
      2,
    ),
  ];
}

/** Of few classes or labels all, of many the worst ones. */
function scoresText(
  nouns: string,
  scores: readonly NamedScore[],
  { macro = { precision: 0, recall: 0, f1: 0 } }: EvaluationReport,
): string[] {
  const isCut = scores.length > MAX_LISTED;
  const found = scores.filter(isFound).length;
  const shown = isCut ? worstFirst({ each: scores, macro }).slice(0, WORST) : [...scores.keys()];
  const rates = ({ precision, recall, f1 }: Rates, marks = ['', '']): string[] => [
    ...[precision, recall].map((rate, i) => `${percent(rate)}${marks[i] || ' '}`),
    percent(f1),
  ];
  const listed = shown.map((k) => scores[k] as NamedScore);
  const rows = listed.map((score) => {
    const marks = [score.predicted, score.support].map((samples) => (samples === 0 ? '*' : ''));
    return [shortName(score.name), count(score.support), count(score.predicted), ...rates(score, marks)];
  });
  const isMarked = listed.some(({ support, predicted }) => support === 0 || predicted === 0);
  return [
    isCut ? `the ${listed.length} of ${count(scores.length)} ${nouns} with the lowest F1` : `the ${nouns}`,
    ...table(
      ['', 'samples', 'said', 'precision ', 'recall ', 'F1'],
      [...rows, [`mean of ${found === scores.length ? '' : 'the '}${count(found)}`, '', '', ...rates(macro)]],
      1,
    ),
    ...(isMarked ? ['* 0, since there is nothing to divide by: never said, or in no test sample'] : []),
  ];
}

function errorsText(outputs: NonNullable<EvaluationReport['perOutput']>): string[] {
  if (outputs.length === 1) return [];
  const worst = outputs.toSorted((a, b) => a.r2 - b.r2).slice(0, WORST);
  const isCut = outputs.length > MAX_LISTED;
  const rows = (isCut ? worst : outputs).map(({ name, mae, rmse, r2 }) => {
    return [shortName(name), numberText(mae), numberText(rmse), r2.toFixed(4)];
  });
  return [
    isCut ? `the ${worst.length} of ${count(outputs.length)} outputs with the lowest R²` : 'the outputs',
    ...table(['', 'MAE', 'RMSE', 'R²'], rows, 1),
  ];
}

/** Four digits that count. */
function numberText(value: number): string {
  return value.toLocaleString('en', { maximumSignificantDigits: 4 });
}

function shortName(name: string): string {
  return name.slice(0, MAX_NAME);
}

/** Columns to the right, at least six characters wide. @param titles columns of texts, all as wide as the widest of them */
function table(heads: readonly string[], rows: readonly (readonly string[])[], titles: number): string[] {
  const all = [heads, ...rows];
  const widest = (cells: readonly (string | undefined)[]): number =>
    Math.max(6, ...cells.map((cell = '') => cell.length + 2));
  const title = widest(all.flatMap((row) => row.slice(0, titles)));
  const widths = heads.map((_, i) => (i < titles ? title : widest(all.map((row) => row[i]))));
  return all.map((row) =>
    row
      .map((cell, i) => cell.padStart(widths[i] as number))
      .join('')
      .trimEnd(),
  );
}
