import { DatasetError } from '../util/errors.ts';
import type { Preparation, TableScaling } from './preparation.ts';

/** What each sample is: a stack of maps [maps][height][width], such as an image, and one of so many classes, or so many outputs. */
export interface SampleShape {
  readonly maps: number;
  /** Rows and columns of a map, in pixels. */
  readonly height: number;
  readonly width: number;
  /** The number of classes; of outputs if the targets are floats. */
  readonly classes: number;
}

/** All that decides what a data set takes, known before its samples are read. */
export interface DatasetShape extends SampleShape {
  readonly inputs: 'uint8' | 'float32';
  /** Classes, or outputs. */
  readonly targets: 'uint16' | 'float32';
  /** Training samples. */
  readonly samples: number;
  readonly testSamples: number;
}

/** What a data set holds. */
export interface Contents extends SampleShape {
  /** Names for people, [classes]; of the outputs if the targets are floats. */
  readonly classNames: readonly string[];
  /** Under what terms it is published, if its files say so. */
  readonly licence?: string | undefined;
  /** How samples like these are made; undefined: they were given as they are. */
  readonly preparation?: Preparation | undefined;
  readonly train: Split;
  readonly test: Split;
}

export interface Dataset extends Contents {
  /** As in registry.ts, or after its file or folder. */
  readonly name: string;
  /** Identifies the contents: identify.ts. */
  readonly sha256: string;
  /** Places of the training samples that are held back, ascending: validation.ts; undefined: all train. */
  readonly validation?: Int32Array | undefined;
}

/** Samples by value [count][maps][height][width]: bytes, which a model sees as 0..1, or floats, which it sees as they are. */
export type Inputs = Uint8Array | Float32Array;

/** What a model is to make of each sample: its class [count], or its outputs [count][outputs]. */
export type Targets = Uint16Array | Float32Array;

/** One part of a data set. */
export interface Split {
  readonly inputs: Inputs;
  readonly targets: Targets;
  readonly count: number;
}

/** The class of each sample. @throws DatasetError if the targets are outputs */
export function classesOf({ targets }: Split): Uint16Array {
  if (targets instanceof Uint16Array) return targets;
  throw new DatasetError("Expected a data set of classes, but this one's targets are floats.");
}

/** The values of images of bytes. @throws DatasetError if they are floats */
export function bytesIn({ inputs }: Split): Uint8Array {
  if (inputs instanceof Uint8Array) return inputs;
  throw new DatasetError('Expected a data set of images of bytes, but the inputs of this one are floats.');
}

/** By what the targets were standardised; undefined if they weren't. */
export function scalingOf({ preparation }: Pick<Contents, 'preparation'>): TableScaling | undefined {
  return preparation?.kind === 'table' ? preparation.scaling : undefined;
}

/** Gives the arrays that receive samples: a shared memory, say. */
export interface Arrays {
  bytes(length: number): Uint8Array;
  uint16(length: number): Uint16Array;
  float32(length: number): Float32Array;
}

/** Arrays of this thread alone. */
export const OWN_ARRAYS: Arrays = {
  bytes: (length) => new Uint8Array(length),
  uint16: (length) => new Uint16Array(length),
  float32: (length) => new Float32Array(length),
};

/** Names of classes that have none: 0, 1, … */
export function numbered(classes: number): string[] {
  return Array.from({ length: classes }, (_, i) => `${i}`);
}

/** What the inputs of a part are: bytes, which are scaled to 0..1, or floats. */
export function inputKindOf({ inputs }: Pick<Split, 'inputs'>): DatasetShape['inputs'] {
  return inputs instanceof Uint8Array ? 'uint8' : 'float32';
}

export function shapeOf({ maps, height, width, classes, train, test }: Contents): DatasetShape {
  return {
    ...{ maps, height, width, classes },
    inputs: inputKindOf(train),
    targets: train.targets instanceof Uint16Array ? 'uint16' : 'float32',
    samples: train.count,
    testSamples: test.count,
  };
}
