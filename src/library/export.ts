import { preparationOf, runOf, type SavedModel } from '../coordinator/run/saved-model.ts';
import { writeFiles } from '../inspect/export/files.ts';
import { checkOut, type FormatName, formatOf } from '../inspect/export/formats.ts';
import { metadataOf } from '../inspect/export/metadata.ts';
import { refuseNotFinite } from '../inspect/export/network.ts';
import { weightsSha256 } from '../shared/checkpoint/checkpoint.ts';
import { sha256 } from '../shared/data/digest.ts';
import { version } from '../shared/util/version.ts';

/** What was written for another program. */
export interface ExportReport {
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

/**
 * Writes a checkpoint's network for another program.
 * @param out a file, or of some formats a folder; an earlier export there is replaced
 * @throws UsageError if it can't be written, or something else is there; CheckpointError if the weights aren't finite
 */
export async function exportModel(model: SavedModel, format: FormatName, out: string): Promise<ExportReport> {
  checkOut(format, out);
  const { checkpoint, layout, weights } = model;
  refuseNotFinite(layout, weights, checkpoint.file);
  const run = runOf(checkpoint);
  const source = { layout, weights, version: version() };
  const metadata = metadataOf(source, { ...checkpoint, preparation: preparationOf(model) }, run);
  const files = await formatOf(format).encode({ ...source, metadata }, out);
  await writeFiles(files);
  return {
    format,
    files: files.map(({ path, bytes }) => ({ file: path, bytes: bytes.length, sha256: sha256(bytes) })),
    checkpoint: checkpoint.file,
    run,
    step: checkpoint.step,
    head: layout.spec.head.kind,
    weightsSha256: weightsSha256(weights),
    trainedOn: metadata.trainedOn,
  };
}
