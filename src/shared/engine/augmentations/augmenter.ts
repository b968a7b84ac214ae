import type { Inputs, Targets } from '../../data/dataset.ts';
import { headOf } from '../../model/kinds.ts';
import type { ModelLayout } from '../../model/layout.ts';
import { type Shape, shapeSize } from '../../model/shape.ts';
import { PhiloxStream, PURPOSE } from '../../util/philox.ts';
import type { SampleBatch } from '../backend.ts';
import type { Layout } from '../wasm/memory.ts';
import { Geometry } from './geometry.ts';
import type { AugmentationKind, GeometryKind, Picture, ValueKind } from './kind.ts';
import { parseAugmentations } from './registry.ts';

/** From one kind's purpose to the next one's. */
const KINDS_APART = 256;

/** The words that a kind draws from: a stream for each position. */
export function streamOf({ number }: AugmentationKind, seed: number): PhiloxStream {
  return new PhiloxStream(seed, PURPOSE.augmentation + KINDS_APART * number);
}

/** Where a thread's augmented samples lie, in the kernel's memory. */
export interface AugmentedSamples {
  /** [samples at once][maps][height][width] */
  readonly inputs: Inputs;
  /** [samples at once], or [samples at once][outputs] if they are floats. */
  readonly targets: Targets;
}

export interface AugmentedOptions {
  readonly augment: string;
  readonly layout: ModelLayout;
  readonly inputs?: 'uint8' | 'float32' | undefined;
  /** Samples whose gradients are computed in one call. */
  readonly count: number;
}

/** Undefined if samples are only shifted, which is done while they are decoded: that needs no copy. */
export function allocateAugmented(memory: Layout, options: AugmentedOptions): AugmentedSamples | undefined {
  const { augment, layout, inputs = 'uint8', count } = options;
  if (parseAugmentations(augment).every(({ kind }) => kind.stage === 'decode')) return undefined;
  const size = count * shapeSize(layout.input);
  const isClass = headOf(layout.spec.head).targetKind === 'class';
  return {
    inputs: inputs === 'uint8' ? memory.bytes(size) : memory.float32(size),
    targets: isClass ? memory.uint16(count) : memory.float32(count * layout.classes),
  };
}

export interface AugmenterOptions {
  readonly seed: number;
  readonly augment: string;
}

/** What augments a thread's samples; undefined if there is no place for them. */
export function augmenterFor(
  samples: AugmentedSamples | undefined,
  options: AugmenterOptions,
  { input }: ModelLayout,
): Augmenter | undefined {
  return samples && new Augmenter(options, input, samples);
}

/** A kind with what it draws from. */
interface Step<Kind> {
  readonly kind: Kind;
  readonly strength: number;
  readonly stream: PhiloxStream;
}

/** Makes augmented samples, all but their shifts: a pure function of the options and a sample's position, written down in docs/determinism.md. */
export class Augmenter {
  readonly #before: Step<ValueKind>[] = [];
  readonly #moving: Step<GeometryKind>[] = [];
  readonly #after: Step<ValueKind>[] = [];
  readonly #geometry: Geometry;
  readonly #samples: AugmentedSamples;
  readonly #indices: Int32Array;
  /** Each of the samples by itself. */
  readonly #pictures: readonly Picture[];
  /** A sample before its pixels move. */
  readonly #source: Picture;

  constructor({ seed, augment }: AugmenterOptions, shape: Shape, samples: AugmentedSamples) {
    for (const { kind, strength } of parseAugmentations(augment)) {
      const stream = streamOf(kind, seed);
      if (kind.stage === 'geometry') this.#moving.push({ kind, strength, stream });
      else if (kind.stage === 'before') this.#before.push({ kind, strength, stream });
      else if (kind.stage === 'after') this.#after.push({ kind, strength, stream });
    }
    const { inputs } = samples;
    const { maps, height, width } = shape;
    const size = shapeSize(shape);
    const pictureOf = (values: Inputs): Picture => ({ maps, height, width, values });
    this.#geometry = new Geometry(shape);
    this.#samples = samples;
    this.#indices = Int32Array.from({ length: inputs.length / size }, (_, i) => i);
    this.#pictures = Array.from(this.#indices, (i) => pictureOf(inputs.subarray(i * size, (i + 1) * size)));
    this.#source = pictureOf(inputs.slice(0, size));
  }

  /** The same samples, augmented; valid until the next call. Their shifts stay. */
  augment(batch: SampleBatch): SampleBatch {
    const count = batch.indices.length;
    for (let i = 0; i < count; i++) {
      this.#make(this.#pictures[i] as Picture, batch, i);
      copyTarget(batch, i, this.#samples.targets, this.#indices.length);
    }
    return { ...batch, ...this.#samples, indices: this.#indices.subarray(0, count) };
  }

  #make(picture: Picture, { inputs, indices, first }: SampleBatch, i: number): void {
    const { values } = picture;
    const position = first + i;
    let [source, from] = [inputs, (indices[i] as number) * values.length];
    if (this.#before.length > 0) {
      const own = this.#source.values;
      for (let p = 0; p < own.length; p++) own[p] = source[from + p] as number;
      [source, from] = [own, 0];
    }
    for (const { kind, strength, stream } of this.#before) kind.apply(this.#source, strength, at(stream, position));
    this.#geometry.reset();
    for (const { kind, strength, stream } of this.#moving) kind.apply(this.#geometry, strength, at(stream, position));
    this.#geometry.transform(source, from, values);
    for (const { kind, strength, stream } of this.#after) kind.apply(picture, strength, at(stream, position));
  }
}

function at(stream: PhiloxStream, position: number): PhiloxStream {
  stream.seek(position);
  return stream;
}

/** @param count samples that `to` holds */
function copyTarget({ targets, indices }: SampleBatch, i: number, to: Targets, count: number): void {
  const outputs = to.length / count;
  const first = (indices[i] as number) * outputs;
  for (let output = 0; output < outputs; output++) to[i * outputs + output] = targets[first + output] as number;
}
