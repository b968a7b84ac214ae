import { type EvaluationReport, evaluate as evaluateCheckpoint } from '../../library/evaluate.ts';
import { resolveReadConfig } from '../../shared/config/config.ts';
import { datasetText } from '../../shared/data/registry.ts';
import { shownPath } from '../../shared/util/shown-path.ts';
import { print } from '../print.ts';

/** `lockstep evaluate [CHECKPOINT]`: classifies the test set by a checkpoint's weights. @returns the exit code */
export async function evaluate(path: string | undefined, flags: Readonly<Record<string, unknown>>): Promise<number> {
  const { backend, data, json } = resolveReadConfig({ flags, env: process.env });
  const report = await evaluateCheckpoint({ checkpoint: path, data, backend, env: process.env, print });
  process.stdout.write(json ? `${JSON.stringify(report)}\n` : reportText(report));
  return 0;
}

function reportText(report: EvaluationReport): string {
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
    '',
  ].join('\n');
}
