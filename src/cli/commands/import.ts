// lockstep import weights.safetensors --out imported.safetensors
import { basename } from 'node:path';
import { outputFile } from '../../coordinator/run/output.ts';
import { trainedOn } from '../../coordinator/run/saved-model.ts';
import { writeFiles } from '../../inspect/export/files.ts';
import {
  decodeWeights,
  type ImportedWeights,
  importedCheckpoint,
  MAX_FILE_BYTES,
} from '../../inspect/export/import.ts';
import { weightsSha256 } from '../../shared/checkpoint/checkpoint.ts';
import { readBytes } from '../../shared/checkpoint/checkpoint-file.ts';
import { resolveReadConfig } from '../../shared/config/config.ts';
import { datasetText } from '../../shared/data/registry.ts';
import { commandLine } from '../../shared/util/command-line.ts';
import { callerPath } from '../../shared/util/paths.ts';
import { shownPath, typedPath } from '../../shared/util/shown-path.ts';
import { printJson, printLines } from '../print.ts';

export interface ImportFlags {
  readonly out?: string;
  readonly json?: boolean;
}

/** What the command prints with --json. */
interface Report {
  readonly checkpoint: string;
  /** The step of the checkpoint that the file names; 0 if the weights aren't that checkpoint's. */
  readonly step: number;
  readonly head: string;
  readonly weightsSha256: string;
  readonly origin: ImportedWeights['origin'];
  /** The data set that the weights were trained on. */
  readonly dataset: string;
}

const ORIGINS: Readonly<Record<ImportedWeights['origin'], string>> = {
  kept: 'weights that Lockstep exported, unchanged',
  changed: 'weights that were changed after Lockstep exported them; they begin at step 0',
  none: 'not known; they begin at step 0',
};

/** `lockstep import FILE [--out CHECKPOINT]`: writes a checkpoint with a file's weights. @returns the exit code */
export async function importWeights(path: string, flags: ImportFlags): Promise<number> {
  const { json } = resolveReadConfig({ flags: { json: flags.json }, env: process.env });
  const file = callerPath(path, process.env);
  const name = `${basename(file).replace(/\.safetensors$/, '')}-checkpoint.safetensors`;
  const out = outputFile(callerPath(flags.out ?? name, process.env), { option: '--out' });
  const advice = "Name a safetensors file with a model's weights.";
  const bytes = await readBytes(file, { what: 'file', advice, maxBytes: MAX_FILE_BYTES });
  const imported = decodeWeights(bytes, file);
  await writeFiles([{ path: out, bytes: importedCheckpoint(imported) }]);
  const report: Report = {
    checkpoint: out,
    step: imported.step,
    head: imported.layout.spec.head.kind,
    weightsSha256: weightsSha256(imported.weights),
    origin: imported.origin,
    dataset: trainedOn(imported.digests),
  };
  if (json) printJson(report);
  else printLines(reportText(report));
  return 0;
}

function reportText({ checkpoint, step, head, weightsSha256, origin, dataset }: Report): string[] {
  return [
    `origin      ${ORIGINS[origin]}`,
    `step        ${step}, head ${head}`,
    `data        ${datasetText(dataset)}`,
    `weights     sha256 ${weightsSha256}`,
    `wrote       ${shownPath(checkpoint)}`,
    `Next: ${commandLine(`evaluate ${typedPath(checkpoint)}`, process.env)}`,
  ];
}
