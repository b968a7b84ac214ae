import { existsSync } from 'node:fs';
import { z } from 'zod';
import { ModelError } from '../../../shared/util/errors.ts';
import { float32From } from '../../../shared/util/safetensors.ts';
import { type LazyTensor, sizeOf } from '../arrays.ts';
import { besideOf, readBounded, readTensors } from '../files.ts';
import { MAX_WEIGHT_BYTES } from '../model-file.ts';
import { quoted } from '../names.ts';
import type { KerasWeights } from './reader.ts';

const MAX_FILES = 64;
/** Bytes of an element; only float32 is a weight, the rest is stepped over. */
const ELEMENT_BYTES = { float32: 4, int32: 4, float16: 2, uint16: 2, uint8: 1, bool: 1 } as const;

const manifestSchema = z.array(
  z.object({
    paths: z.array(z.string()).max(MAX_FILES),
    weights: z.array(
      z.object({
        name: z.string(),
        shape: z.array(z.int().min(0)).max(8),
        dtype: z.enum(Object.keys(ELEMENT_BYTES) as [keyof typeof ELEMENT_BYTES]),
        quantization: z.unknown().optional(),
      }),
    ),
  }),
);

/** The weights that a model.json lists; undefined if the files aren't there. @throws ModelError if they are others than listed */
export async function manifestWeights(manifest: unknown, path: string): Promise<KerasWeights | undefined> {
  const parsed = manifestSchema.safeParse(manifest);
  if (!parsed.success) throw new ModelError(`${path}: its weightsManifest isn't a list of files and weights.`);
  const files = parsed.data.flatMap(({ paths }) => paths.map((name) => besideOf(path, name)));
  if (files.length > MAX_FILES) throw new ModelError(`${path}: it has more than ${MAX_FILES} files of weights.`);
  if (files.length === 0 || !files.some((file) => existsSync(file))) return undefined;
  const tensors = new Map<string, LazyTensor>();
  let left = MAX_WEIGHT_BYTES;
  for (const { paths, weights } of parsed.data) {
    const shards: Buffer[] = [];
    for (const name of paths) {
      const shard = await readBounded(besideOf(path, name), left);
      left -= shard.length;
      shards.push(shard);
    }
    readGroup(Buffer.concat(shards), weights, tensors, path);
  }
  return finder(tensors);
}

type Listed = z.infer<typeof manifestSchema>[number]['weights'];

function readGroup(bytes: Buffer, weights: Listed, tensors: Map<string, LazyTensor>, path: string): void {
  let position = 0;
  for (const { name, shape, dtype, quantization } of weights) {
    if (quantization !== undefined)
      throw new ModelError(`${path}: the weight ${quoted(name)} is quantized; only float32 is read.`);
    const begin = position;
    position += sizeOf(shape) * ELEMENT_BYTES[dtype];
    if (position > bytes.length) break;
    const data = bytes.subarray(begin, position);
    if (dtype === 'float32') tensors.set(name, { shape, values: () => float32From(data) });
  }
  if (position !== bytes.length)
    throw new ModelError(`${path}: its files of weights have ${bytes.length} bytes, but it lists other weights.`);
}

/** Weights in a safetensors file beside the model's, named as Keras does: LAYER/kernel. Undefined if there is none. */
export async function safetensorsWeights(path: string): Promise<KerasWeights | undefined> {
  const file = path.replace(/\.[^.]*$/, '.safetensors');
  if (!existsSync(file)) return undefined;
  const tensors = await readTensors(file);
  return finder(new Map([...tensors].map(([name, { shape, data }]) => [name, { shape, values: () => data }])));
}

/** By the last two parts of a name: in front of them may be the model's. */
function finder(tensors: ReadonlyMap<string, LazyTensor>): KerasWeights {
  const byEnd = new Map(
    [...tensors].map(([name, tensor]) => [name.replace(/:0$/, '').split('/').slice(-2).join('/'), tensor]),
  );
  return (layer, part) => {
    const end = layer.split('/').at(-1);
    return byEnd.get(`${end}/${part}`);
  };
}
