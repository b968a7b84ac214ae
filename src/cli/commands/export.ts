// lockstep export runs/first --format onnx --out lenet5.onnx

import { findModel, preparationOf, runOf } from '../../coordinator/run/saved-model.ts';
import { writeFiles } from '../../inspect/export/files.ts';
import { checkOut, type FormatName, formatOf } from '../../inspect/export/formats.ts';
import { metadataOf } from '../../inspect/export/metadata.ts';
import { refuseNotFinite } from '../../inspect/export/network.ts';
import { weightsSha256 } from '../../shared/checkpoint/checkpoint.ts';
import { resolveReadConfig } from '../../shared/config/config.ts';
import { sha256 } from '../../shared/data/digest.ts';
import { callerPath } from '../../shared/util/paths.ts';
import { shownPath } from '../../shared/util/shown-path.ts';
import { version } from '../../shared/util/version.ts';
import { print, printJson, printLines } from '../print.ts';

export interface ExportFlags {
  readonly format: FormatName;
  readonly out: string;
  readonly json?: boolean;
}

/** What the command prints with --json. */
interface Report {
  readonly format: FormatName;
  readonly files: readonly { readonly file: string; readonly bytes: number; readonly sha256: string }[];
  readonly checkpoint: string;
  /** The run's name; undefined if the checkpoint isn't in a run directory. */
  readonly run: string | undefined;
  readonly step: number;
  readonly head: string;
  readonly weightsSha256: string;
  /** The data set that the network was trained on, if it isn't the default one. */
  readonly trainedOn: string | undefined;
}

/** `lockstep export [CHECKPOINT] --format FORMAT --out PATH`: writes a checkpoint's network. @returns the exit code */
export async function exportNetwork(path: string | undefined, flags: ExportFlags): Promise<number> {
  const { format } = flags;
  const { json } = resolveReadConfig({ flags: { json: flags.json }, env: process.env });
  const out = callerPath(flags.out, process.env);
  checkOut(format, out);
  const model = await findModel(path, { env: process.env, print });
  const { checkpoint, layout, weights } = model;
  refuseNotFinite(layout, weights, checkpoint.file);
  const run = runOf(checkpoint);
  const source = { layout, weights, version: version() };
  const metadata = metadataOf(source, { ...checkpoint, preparation: preparationOf(model) }, run);
  const files = await formatOf(format).encode({ ...source, metadata }, out);
  await writeFiles(files);
  const report: Report = {
    format,
    files: files.map(({ path, bytes }) => ({ file: path, bytes: bytes.length, sha256: sha256(bytes) })),
    checkpoint: checkpoint.file,
    run,
    step: checkpoint.step,
    head: layout.spec.head.kind,
    weightsSha256: weightsSha256(weights),
    trainedOn: metadata.trainedOn,
  };
  if (json) printJson(report);
  else printLines(reportText(report));
  return 0;
}

function reportText({ files, checkpoint, step, head, weightsSha256, trainedOn }: Report): string[] {
  return [
    `checkpoint  ${shownPath(checkpoint)}`,
    `step        ${step}, head ${head}`,
    ...(trainedOn === undefined ? [] : [`data        ${trainedOn}`]),
    `weights     sha256 ${weightsSha256}`,
    ...files.map(({ file, bytes }) => `wrote       ${shownPath(file)} (${(bytes / 1000).toFixed(0)} KB)`),
  ];
}
