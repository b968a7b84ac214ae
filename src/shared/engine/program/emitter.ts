import type { Argument, BlockPointers, Emit, ListName, Packing, Value } from '../../model/layers/emit.ts';
import { geometry, LISTS, stackAt } from '../../model/layers/emit.ts';
import type { LayerLayout, TensorLayout } from '../../model/layers/placed-layer.ts';

import { NO_BORDER, type Shape } from '../../model/shape.ts';
import { OPERATIONS, type OperationName, RECORD_WORDS, recordOf } from '../operations.ts';
import type { Layout } from '../wasm/memory.ts';
import type { OperationList } from './program.ts';

/** Output maps that the kernel computes together (src/kernel/convolution): packed weights are [pair][tap][2]. */
const PACKED_MAPS = 2;
/** Of a tensor that is left out. */
const NONE = -1;

export interface EmitterOptions {
  readonly memory: Layout;
  readonly block: BlockPointers;
  readonly keptBlocks: number;
  readonly shardBlocks: number;
}

/** Collects the operations of a program, and lays out what they need. */
export class Emitter implements Emit {
  readonly block: BlockPointers;
  readonly keptBlocks: number;
  readonly shardBlocks: number;
  /** Outputs that were told of. */
  readonly exposed = new Map<string, Value>();
  readonly used = new Set<OperationName>();
  /** Tensors whose gradients the list `shards` writes. */
  readonly shardTensors = new Set<TensorLayout>();
  readonly #memory: Layout;
  readonly #records: Readonly<Record<ListName, number[][]>>;
  /** What a layer has of its own, by the layer's name and that of the thing. */
  readonly #owned = new Map<string, number>();
  readonly #free = new Map<number, number[]>();
  #borrowed: { readonly bytes: number; readonly at: number }[] = [];
  #layer = '';
  #pass: 'train' | 'evaluate' = 'train';

  constructor({ memory, block, keptBlocks, shardBlocks }: EmitterOptions) {
    this.#memory = memory;
    this.block = block;
    this.keptBlocks = keptBlocks;
    this.shardBlocks = shardBlocks;
    this.#records = { step: [], input: [], train: [], evaluate: [], shards: [] };
  }

  /** Emits a layer's part of a pass. Its temporary values are free again afterwards. */
  within(layer: string, pass: 'train' | 'evaluate', emit: () => void): void {
    this.#layer = layer;
    this.#pass = pass;
    emit();
    for (const { bytes, at } of this.#borrowed) this.#freeOf(bytes).push(at);
    this.#borrowed = [];
  }

  op(list: ListName | 'forward', name: OperationName, ...args: readonly Argument[]): void {
    const target = list === 'forward' ? this.#pass : list;
    const kinds: string = OPERATIONS[name].arguments;
    const resolved = args.map((arg, i) => this.#resolved(target, kinds[i], arg));
    this.#records[target].push(recordOf(name, resolved));
    this.used.add(name);
  }

  once(name: string, emit: () => void): void {
    this.#own(name, () => {
      emit();
      return 0;
    });
  }

  integers(name: string, values: readonly number[]): number {
    return this.#own(name, () => {
      const table = this.#memory.int32(values.length);
      table.set(values);
      return table.byteOffset;
    });
  }

  floats(name: string, values: readonly number[]): number {
    return this.#own(name, () => {
      const table = this.#memory.float32(values.length);
      table.set(values);
      return table.byteOffset;
    });
  }

  packed(name: string, tensor: TensorLayout | undefined, { maps, first, stride, taps }: Packing): number {
    return this.#own(`packed.${name}`, () => {
      const packed = this.#memory.allocate(4 * PACKED_MAPS * Math.ceil(maps / PACKED_MAPS) * taps.length);
      const offsets = this.integers(
        `order.${name}`,
        taps.map((tap) => 4 * tap),
      );
      const base = tensor && { tensor, element: first };
      this.op('step', 'packWeights', base, maps, taps.length, 4 * stride, offsets, packed);
      return packed;
    });
  }

  scratch(name: string, bytes: number): number {
    return this.#own(name, () => this.#memory.allocate(bytes));
  }

  expose(layer: LayerLayout, output: Value): void {
    this.exposed.set(layer.spec.name, output);
  }

  temporary(shape: Shape): Value {
    const { bytes } = geometry(shape, NO_BORDER);
    const at = this.#freeOf(bytes).pop() ?? this.#memory.allocate(bytes);
    this.#borrowed.push({ bytes, at });
    return stackAt(at, shape);
  }

  trains({ frozen }: LayerLayout): boolean {
    return !frozen;
  }

  /** Writes the lists into memory. */
  lists(): Readonly<Record<ListName, OperationList>> {
    const written = LISTS.map((list) => {
      const records = this.#records[list];
      const words = this.#memory.int32(RECORD_WORDS * records.length);
      for (const [i, record] of records.entries()) words.set(record, RECORD_WORDS * i);
      return [list, { at: words.byteOffset, count: records.length }] as const;
    });
    return Object.fromEntries(written) as Record<ListName, OperationList>;
  }

  /** An argument as a record takes it: a place in a tensor as its byte offset. */
  #resolved(list: ListName, kind: string | undefined, arg: Argument): number | Value {
    if (kind !== 'w' && kind !== 'g') {
      if (typeof arg === 'number' || (arg !== undefined && 'row' in arg)) return arg;
      throw new Error('Expected a number or a value.');
    }
    if (typeof arg === 'number' || (arg !== undefined && 'row' in arg)) throw new Error('Expected a tensor.');
    if (arg === undefined) return NONE;
    const { tensor, element } = 'tensor' in arg ? arg : { tensor: arg, element: 0 };
    if (kind === 'g' && list === 'shards') this.shardTensors.add(tensor);
    return 4 * (tensor.offset + element);
  }

  #own(name: string, make: () => number): number {
    const key = `${this.#layer}/${name}`;
    const known = this.#owned.get(key);
    if (known !== undefined) return known;
    const made = make();
    this.#owned.set(key, made);
    return made;
  }

  #freeOf(bytes: number): number[] {
    const free = this.#free.get(bytes) ?? [];
    this.#free.set(bytes, free);
    return free;
  }
}
