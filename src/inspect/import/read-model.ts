// Files of models, by their formats. A format is a file of its own, and an entry in FORMATS.
import { basename, extname } from 'node:path';
import { PRESETS } from '../../shared/model/registry.ts';
import { ModelError } from '../../shared/util/errors.ts';
import { nearest } from '../../shared/util/nearest.ts';
import { readBounded } from './files.ts';
import { jsonOf } from './json.ts';
import { isKeras, kerasArchive, readKeras } from './keras/keras.ts';
import { MAX_JSON_BYTES, type ModelFile, type ModelFormat } from './model-file.ts';
import { quoted } from './names.ts';
import { onnx } from './onnx/onnx.ts';

/** What a checkpoint's header has room for. */
const MAX_SPEC_BYTES = 2 ** 20;

/** A spec of this project, or a model of TensorFlow.js or Keras. */
const json: ModelFormat = {
  text: 'a spec, or a model of TensorFlow.js or Keras (.json)',
  takes: (path) => path.endsWith('.json'),
  async read(path) {
    const bytes = await readBounded(path, MAX_JSON_BYTES);
    const value = jsonOf(bytes, path);
    if (isKeras(value)) return readKeras(value, path);
    if (bytes.length <= MAX_SPEC_BYTES) return { spec: value, warnings: [] };
    throw new ModelError(`${path}: it has ${bytes.length} bytes; ${MAX_SPEC_BYTES} are the most that a spec may have.`);
  },
};

export const FORMATS: readonly ModelFormat[] = [json, kerasArchive, onnx];

/** Formats that people have and that aren't read, and what to do. */
const UNREAD: ReadonlyMap<string, string> = new Map([
  ...['.pt', '.pth', '.bin', '.ckpt', '.pkl'].map(
    (ending) =>
      [
        ending,
        'A pickle runs whatever program it holds. examples/pytorch-to-lockstep.py writes a spec and weights from PyTorch.',
      ] as const,
  ),
  ...['.h5', '.hdf5'].map(
    (ending) => [ending, "HDF5 isn't read. Save the model as .keras, or convert it for TensorFlow.js."] as const,
  ),
]);

/** What a name without an ending was probably meant to be. */
function presetsText(path: string): string | undefined {
  if (extname(path) !== '') return undefined;
  const names = PRESETS.map(({ name }) => name);
  const meant = nearest(basename(path), names);
  return `it is no file that is read, and no preset${meant === undefined ? `, which are ${names.join(', ')}` : ` (perhaps ${meant} was meant)`}.`;
}

/**
 * Reads a model in any known format. Files are taken for hostile: their sizes, layers and parameters are bounded.
 * @throws ModelError that names the file, and the layer with its kind
 */
export async function readModelFile(path: string): Promise<ModelFile> {
  const format = FORMATS.find(({ takes }) => takes(path));
  if (format !== undefined) return format.read(path);
  const advice = UNREAD.get(extname(path)) ?? presetsText(path);
  const known = FORMATS.map(({ text }) => text).join('; ');
  throw new ModelError(`${quoted(path)}: ${advice ?? "its format isn't known."} These are read: ${known}.`);
}
