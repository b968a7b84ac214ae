import type { OperationName } from '../../engine/operations.ts';
import { type Border, NO_BORDER, type Shape, shapeSize } from '../shape.ts';
import type { LayerLayout, TensorLayout } from './placed-layer.ts';

/** Samples that the kernel computes at once: a value is f32 [map][row][column][LANES] (src/kernel/math.ts). */
export const LANES = 8;

/** Bytes of one position of a map in all lanes. */
export const POSITION = 4 * LANES;

/** A map stack in memory. Around each map may be a border of zeros, which nothing writes. */
export interface Value {
  readonly shape: Shape;
  /** The pointer to the first position inside the border. */
  readonly at: number;
  /** Bytes from one row, and one map, to the next. */
  readonly row: number;
  readonly plane: number;
  readonly border: Border;
}

/** A place in a tensor: in the weights, or in the gradient. */
export interface Place {
  readonly tensor: TensorLayout;
  /** Elements from the tensor's first. */
  readonly element: number;
}

/** The weights of `maps` outputs: those of output map m are the tensor's elements first + m stride + taps[k]. */
export interface Packing {
  readonly maps: number;
  readonly first: number;
  readonly stride: number;
  readonly taps: readonly number[];
}

/** What an operation takes, by the kinds in engine/operations.ts. */
export type Argument = number | Value | TensorLayout | Place | undefined;

/**
 * When operations run. step: after new weights; input, train: for each block of samples that is trained on, samples first;
 * shards: after a group of shards; evaluate: for each block that is only looked at, after `input`.
 */
export const LISTS = ['step', 'input', 'train', 'evaluate', 'shards'] as const;
export type ListName = (typeof LISTS)[number];

/** Takes the operations of layers and gives them memory. */
export interface Emit {
  /** Adds an operation to a list; `forward` stands for the list of the pass that is being emitted, train or evaluate. */
  op(list: ListName | 'forward', name: OperationName, ...args: readonly Argument[]): void;
  /** Calls `emit` unless the layer has done so by this name: its forward pass is emitted for training and for evaluation. */
  once(name: string, emit: () => void): void;
  /** Int32s that operations read. As all that follows, the same layer and name give the same memory again. @returns their pointer */
  integers(name: string, values: readonly number[]): number;
  floats(name: string, values: readonly number[]): number;
  /** Weights in the kernel's order, for each new state of them. */
  packed(name: string, tensor: TensorLayout | undefined, packing: Packing): number;
  /** Memory of the layer's own, zeroed at first. */
  scratch(name: string, bytes: number): number;
  /** Tells where a layer's output is, for those who look at it. */
  expose(layer: LayerLayout, output: Value): void;
  /** A value for one layer's operations; others overwrite it. */
  temporary(shape: Shape): Value;
  /** Blocks of samples whose values are kept for the list `shards`, and blocks of one shard. */
  readonly keptBlocks: number;
  readonly shardBlocks: number;
  /** Of the block that is being computed. */
  readonly block: BlockPointers;
  /** Whether gradients of a layer's tensors are wanted. */
  trains(layer: LayerLayout): boolean;
}

/** What the backend writes before each block, and reads after it. */
export interface BlockPointers {
  /** i32 [LANES]: the samples. */
  readonly indices: number;
  /** i8 [LANES][2]: rows down, columns right. */
  readonly shifts: number;
  /** i32 [LANES]: classes, -1 behind the last sample. */
  readonly labels: number;
  /** i32 [LANES], written. */
  readonly predictions: number;
  /** f64, written: the sum of the samples' losses. */
  readonly loss: number;
  /** u32 [LANES][2]: each sample's place in the stream of samples, low word first. */
  readonly positions: number;
  /** u32 [2]: the run's seed. */
  readonly key: number;
}

/** A value's bytes per map and row for a shape inside a border. */
export function geometry({ maps, height, width }: Shape, border: Border) {
  const row = (border.left + width + border.right) * POSITION;
  const plane = (border.top + height + border.bottom) * row;
  return { row, plane, bytes: maps * plane, inside: border.top * row + border.left * POSITION };
}

/** A stack without border. */
export function stackAt(at: number, shape: Shape): Value {
  const { row, plane } = geometry(shape, NO_BORDER);
  return { shape, at, row, plane, border: NO_BORDER };
}

/** A value's positions in a row: its maps lie one behind the other. */
export function isContiguous({ shape, row, plane }: Value): boolean {
  return row === shape.width * POSITION && plane === shape.height * row;
}

/** A contiguous value as another shape of the same size. */
export function viewed(value: Value, shape: Shape): Value {
  if (!isContiguous(value) || shapeSize(shape) !== shapeSize(value.shape))
    throw new Error('The value is no such view.');
  return stackAt(value.at, shape);
}

/** Rows and columns in one word. */
export function sides({ height, width }: { readonly height: number; readonly width: number }): number {
  return pair([height, width]);
}

export function pair([height, width]: readonly [number, number]): number {
  return (height << 16) | width;
}
