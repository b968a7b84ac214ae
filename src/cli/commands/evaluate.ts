import { type EvaluationReport, evaluate as evaluateCheckpoint } from '../../library/evaluate.ts';
import { resolveReadConfig } from '../../shared/config/config.ts';
import { datasetText } from '../../shared/data/registry.ts';
import { shownPath } from '../../shared/util/shown-path.ts';
import { print, printJson, printLines } from '../print.ts';

/** `lockstep evaluate [CHECKPOINT]`: classifies the test set by a checkpoint's weights. @returns the exit code: 1 if they aren't finite */
export async function evaluate(path: string | undefined, flags: Readonly<Record<string, unknown>>): Promise<number> {
  const { backend, data, json } = resolveReadConfig({ flags, env: process.env });
  const report = await evaluateCheckpoint({ checkpoint: path, data, backend, env: process.env, print });
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
  const cells = (values: readonly (number | string)[]): string => values.map((v) => String(v).padStart(6)).join('');
  const samples = report.confusion.flat().reduce((sum, images) => sum + images, 0);
  return [
    `checkpoint  ${shownPath(report.checkpoint)}`,
    `step        ${report.step}`,
    `weights     sha256 ${report.weightsSha256}`,
    `data        ${datasetText(report.dataset)}`,
    `accuracy    ${(100 * report.testAccuracy).toFixed(2)} % of ${samples.toLocaleString('en-US')} test images`,
    `loss        ${report.testLoss.toFixed(4)}`,
    '',
    'test images by truth (rows) and guess (columns)',
    cells(['', ...report.confusion.keys()]),
    ...report.confusion.map((row, truth) => cells([truth, ...row])),
  ];
}
