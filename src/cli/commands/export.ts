// lockstep export runs/first --format onnx --out lenet5.onnx

import { findModel } from '../../coordinator/run/saved-model.ts';
import { checkOut, type FormatName } from '../../inspect/export/formats.ts';
import { type ExportReport, exportModel } from '../../library/export.ts';
import { resolveReadConfig } from '../../shared/config/config.ts';
import { callerPath } from '../../shared/util/paths.ts';
import { shownPath } from '../../shared/util/shown-path.ts';
import { print, printJson, printLines } from '../print.ts';

export interface ExportFlags {
  readonly format: FormatName;
  readonly out: string;
  readonly json?: boolean;
}

/** `lockstep export [CHECKPOINT] --format FORMAT --out PATH`: writes a checkpoint's network. @returns the exit code */
export async function exportNetwork(path: string | undefined, flags: ExportFlags): Promise<number> {
  const { format } = flags;
  const { json } = resolveReadConfig({ flags: { json: flags.json }, env: process.env });
  const out = callerPath(flags.out, process.env);
  // Before a checkpoint is looked for.
  checkOut(format, out);
  const report = await exportModel(await findModel(path, { env: process.env, print }), format, out);
  if (json) printJson(report);
  else printLines(reportText(report));
  return 0;
}

function reportText({ files, checkpoint, step, head, weightsSha256, trainedOn }: ExportReport): string[] {
  return [
    `checkpoint  ${shownPath(checkpoint)}`,
    `step        ${step}, head ${head}`,
    ...(trainedOn === undefined ? [] : [`data        ${trainedOn}`]),
    `weights     sha256 ${weightsSha256}`,
    ...files.map(({ file, bytes }) => `wrote       ${shownPath(file)} (${(bytes / 1000).toFixed(0)} KB)`),
  ];
}
