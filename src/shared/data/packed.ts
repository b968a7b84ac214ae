import { endianness } from 'node:os';
import type { z } from 'zod';
import type { ByteSource } from '../util/byte-source.ts';
import { DatasetError } from '../util/errors.ts';
import { parseJson } from '../util/json.ts';
import { printable } from '../util/printable.ts';
import { decodeHeader, headerLength, LENGTH_BYTES, type TensorPlace, viewOf } from '../util/safetensors.ts';
import { ClassNames } from './class-names.ts';
import { type Arrays, type DatasetShape, type Inputs, numbered, type Split, type Targets } from './dataset.ts';
import { checkSize, MAX_CLASSES, MAX_LICENCE, MAX_SAMPLES } from './limits.ts';
import { PREPARATION, type Preparation } from './preparation.ts';
import type { Found } from './source.ts';

const TENSORS = ['train.inputs', 'train.targets', 'test.inputs', 'test.targets'] as const;

/**
 * A data set in one safetensors file: `train.inputs` and `test.inputs`, U8 or F32 [n, maps, height, width], `train.targets` and
 * `test.targets`, classes as U8 or U16 [n] or outputs as F32 [n, outputs]. The metadata may have the classes' names as a JSON array
 * under `classes`, how samples are made under `preparation` (preparation.ts), and for people the terms under which it is published
 * under `licence`, and how the file was made under `made`.
 * @throws DatasetError if the bytes are no packed data set; what else fails is the source's error
 */
export async function findPacked(source: ByteSource): Promise<Found> {
  const { path } = source;
  const start = Buffer.alloc(Math.min(LENGTH_BYTES, source.size));
  await source.read(0, start);
  const header = Buffer.alloc(headerLength(start, source.size, { file: path, refusal: badPacked }));
  await source.read(LENGTH_BYTES, header);
  const data = LENGTH_BYTES + header.length;
  const { metadata, places } = decodeHeader(header, source.size - data, {
    file: path,
    refusal: badPacked,
    types: ['U8', 'U16', 'F32'],
  });
  const strange = [...places.keys()].find((name) => !TENSORS.some((known) => known === name));
  if (strange !== undefined) {
    throw badPacked(
      path,
      `expected the tensors ${TENSORS.join(', ')}, but it has ${printable(strange).slice(0, 40)} too`,
    );
  }
  const [trainInputs, trainTargets, testInputs, testTargets] = TENSORS.map((name) => placeOf(name, places, path)) as [
    TensorPlace,
    TensorPlace,
    TensorPlace,
    TensorPlace,
  ];
  checkAlike(trainInputs, testInputs, `${path}: its inputs`);
  checkAlike(trainTargets, testTargets, `${path}: its targets`);
  const train = new PackedPart(source, data, trainInputs, trainTargets);
  const test = new PackedPart(source, data, testInputs, testTargets);
  const form = formOf(train, test, path);
  checkSize({ ...form, classes: trainTargets.shape[1] ?? 1 }, path);
  const classNames = await classNamesOf(metadata.classes, [train, test], path);
  const preparation = metadata.preparation === undefined ? undefined : preparationOf(metadata.preparation, path);
  const licence = metadata.licence && printable(metadata.licence).slice(0, MAX_LICENCE);
  const shape = { ...form, classes: classNames.length };
  checkSize(shape, path);
  const { maps, height, width, classes } = shape;
  return {
    shape,
    read: async (arrays) => ({
      ...{ maps, height, width, classes, classNames },
      ...(preparation === undefined ? {} : { preparation }),
      ...(licence === undefined ? {} : { licence }),
      train: await train.read(arrays, classes),
      test: await test.read(arrays, classes),
    }),
  };
}

/** A part's two tensors in a file. */
class PackedPart {
  readonly count: number;
  readonly inputs: TensorPlace;
  readonly targets: TensorPlace;
  readonly #source: ByteSource;
  /** Where the tensors' data begin. */
  readonly #data: number;

  constructor(source: ByteSource, data: number, inputs: TensorPlace, targets: TensorPlace) {
    const [count = 0] = inputs.shape;
    const dimensions = targets.dtype === 'F32' ? 2 : 1;
    const areFit = inputs.dtype !== 'U16' && inputs.shape.length === 4 && targets.shape.length === dimensions;
    if (!areFit || targets.shape[0] !== count) {
      throw badPacked(
        source.path,
        'expected inputs as U8 or F32 [n, maps, height, width] and targets as U8 or U16 [n] or F32 [n, outputs], ' +
          `but they are ${textOf(inputs)} and ${textOf(targets)}`,
      );
    }
    if ([...inputs.shape, ...targets.shape].includes(0)) throw badPacked(source.path, 'a part of it is empty');
    if (count > MAX_SAMPLES)
      throw badPacked(source.path, `expected at most ${MAX_SAMPLES} samples, but it has ${count}`);
    this.#source = source;
    this.#data = data;
    this.count = count;
    this.inputs = inputs;
    this.targets = targets;
  }

  /** The highest class; the number of outputs less one. */
  async highest(): Promise<number> {
    const { dtype, shape } = this.targets;
    if (dtype === 'F32') return (shape[1] as number) - 1;
    let highest = 0;
    for (const target of await this.#classes()) highest = Math.max(highest, target);
    return highest;
  }

  async read(arrays: Arrays, classes: number): Promise<Split> {
    const inputs = await this.#inputs(arrays);
    const targets = await this.#targets(arrays);
    if (targets instanceof Uint16Array) {
      const stray = targets.find((target) => target >= classes);
      if (stray !== undefined) {
        throw badPacked(this.#source.path, `a sample is of class ${stray}, but it names ${classes} classes, from 0 on`);
      }
    }
    return { inputs, targets, count: this.count };
  }

  async #inputs(arrays: Arrays): Promise<Inputs> {
    const { dtype, begin, end } = this.inputs;
    if (dtype === 'F32') return this.#floats(this.inputs, arrays);
    const bytes = arrays.bytes(end - begin);
    await this.#source.read(this.#data + begin, bytes);
    return bytes;
  }

  async #targets(arrays: Arrays): Promise<Targets> {
    if (this.targets.dtype === 'F32') return this.#floats(this.targets, arrays);
    const targets = arrays.uint16(this.count);
    targets.set(await this.#classes());
    return targets;
  }

  async #classes(): Promise<Uint8Array | Uint16Array> {
    const { dtype, begin } = this.targets;
    const classes = dtype === 'U8' ? new Uint8Array(this.count) : new Uint16Array(this.count);
    const bytes = viewOf(classes);
    await this.#source.read(this.#data + begin, bytes);
    if (dtype === 'U16' && endianness() === 'BE') Buffer.from(bytes.buffer).swap16();
    return classes;
  }

  async #floats({ begin, end }: TensorPlace, arrays: Arrays): Promise<Float32Array> {
    const floats = arrays.float32((end - begin) / 4);
    const bytes = viewOf(floats);
    await this.#source.read(this.#data + begin, bytes);
    if (endianness() === 'BE') Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).swap32();
    if (!floats.every(Number.isFinite))
      throw badPacked(this.#source.path, "expected numbers, but one of its floats isn't finite");
    return floats;
  }
}

function placeOf(name: string, places: ReadonlyMap<string, TensorPlace>, path: string): TensorPlace {
  const place = places.get(name);
  if (place !== undefined) return place;
  throw badPacked(path, `expected the tensors ${TENSORS.join(', ')}, but it lacks ${name}`);
}

/** @throws DatasetError if the two parts' samples have other shapes or types; classes may be U8 in one and U16 in the other */
function checkAlike(train: TensorPlace, test: TensorPlace, what: string): void {
  const kindOf = ({ dtype, shape }: TensorPlace): string =>
    JSON.stringify([shape.length > 1 || dtype === 'F32' ? dtype : 'class', ...shape.slice(1)]);
  if (kindOf(train) === kindOf(test)) return;
  throw new DatasetError(
    `${what}: expected the same for training and test, but they are ${textOf(train)} and ${textOf(test)}. Pack it again.`,
  );
}

function formOf(train: PackedPart, test: PackedPart, path: string): Omit<DatasetShape, 'classes'> {
  const [, maps = 0, height = 0, width = 0] = train.inputs.shape;
  const outputs = train.targets.dtype === 'F32' ? (train.targets.shape[1] ?? 0) : 0;
  if (outputs > MAX_CLASSES) throw badPacked(path, `expected at most ${MAX_CLASSES} outputs, but it has ${outputs}`);
  return {
    ...{ maps, height, width },
    inputs: train.inputs.dtype === 'F32' ? 'float32' : 'uint8',
    targets: train.targets.dtype === 'F32' ? 'float32' : 'uint16',
    samples: train.count,
    testSamples: test.count,
  };
}

/** The classes' names; numbers where the file has none. */
async function classNamesOf(text: string | undefined, parts: readonly PackedPart[], path: string): Promise<string[]> {
  if (text === undefined) {
    let highest = 0;
    for (const part of parts) highest = Math.max(highest, await part.highest());
    return numbered(highest + 1);
  }
  const names = metadataOf('classes', text, ClassNames, path);
  const outputs = parts[0]?.targets.shape[1];
  if (outputs !== undefined && outputs !== names.length) {
    throw badPacked(path, `it names ${names.length} outputs, but has ${outputs}`);
  }
  return names;
}

function preparationOf(text: string, path: string): Preparation {
  return metadataOf('preparation', text, PREPARATION, path);
}

function metadataOf<T>(key: string, text: string, schema: z.ZodType<T>, path: string): T {
  let value: unknown;
  try {
    value = parseJson(text);
  } catch (error) {
    throw badPacked(path, `its metadata's ${key} can't be read as JSON`, error);
  }
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  const problem = [...(issue?.path ?? []), issue?.message].join(' ');
  throw badPacked(path, `its metadata's ${key}: ${printable(problem)}`, parsed.error);
}

function textOf({ dtype, shape }: TensorPlace): string {
  return `${dtype} [${shape.join(', ')}]`;
}

export function badPacked(path: string, problem: string, cause?: unknown): DatasetError {
  return new DatasetError(
    `${path} isn't a packed data set: ${problem}. Pack it again, or name another data set by --data.`,
    { file: path, cause },
  );
}
