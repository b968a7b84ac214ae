import type { Fusion } from '../../model/fusions/fusion.ts';
import { fusionOf } from '../../model/fusions/registry.ts';
import { headOf, kindOf } from '../../model/kinds.ts';
import { writeFlattened } from '../../model/layers/contiguous.ts';
import { type BlockPointers, LANES, POSITION, sides, stackAt, type Value } from '../../model/layers/emit.ts';
import type { LayerLayout } from '../../model/layers/placed-layer.ts';
import type { ModelLayout } from '../../model/layout.ts';
import { shapeSize } from '../../model/shape.ts';
import { depthOf } from '../tree.ts';
import { type Layout, padded } from '../wasm/memory.ts';
import { Emitter } from './emitter.ts';
import type { ParameterRange, Program } from './program.ts';
import { Storage } from './storage.ts';

export interface PlanOptions {
  /** Samples of a shard, at most. */
  readonly shardSize: number;
  /** The run's, for dropout. */
  readonly seed?: number | undefined;
  /** What samples are: bytes, which are scaled to 0..1, or float32s, which stay. */
  readonly inputs?: 'uint8' | 'float32' | undefined;
  /** Otherwise every layer is computed by itself, so that all of their outputs are there to be looked at. */
  readonly isFused?: boolean;
}

/** Float32s that the kernel adds at once. */
const REGISTER = 4;
/** Samples whose dense layers are differentiated in one pass: enough to make the pass over the gradient cheap. */
const SAMPLES_AT_ONCE = 64;

/** Lays out one worker's scratch memory for a model, and makes its program. */
export function planProgram(layout: ModelLayout, options: PlanOptions, memory: Layout): Program {
  const { shardSize, seed = 0, inputs = 'uint8', isFused = true } = options;
  const shardBlocks = Math.ceil(shardSize / LANES);
  const shardsAtOnce = shardsAtOnceOf(layout, shardBlocks);
  const block = allocateBlock(memory, seed);
  const emitter = new Emitter({ memory, block, shardBlocks, keptBlocks: shardsAtOnce * shardBlocks });
  const fusion = isFused && inputs === 'uint8' ? fusionOf(layout) : undefined;
  const output =
    fusion === undefined ? new LayerPlanner(layout, memory, emitter).plan(inputs) : planFused(layout, fusion, emitter);
  const blockRanges = rangesOf(layout, emitter);
  const end = Math.max(0, ...blockRanges.map(({ first, count }) => first + count));
  return {
    parameters: layout.parameters,
    shardsAtOnce,
    shardBlocks,
    lists: emitter.lists(),
    operations: [...emitter.used],
    block,
    blockRanges,
    sums: Array.from({ length: depthOf(shardsAtOnce) }, () => memory.allocate(4 * padded(end))),
    values: Object.fromEntries(emitter.exposed),
    output,
  };
}

function allocateBlock(memory: Layout, seed: number): BlockPointers {
  const key = memory.int32(2);
  key.set([(seed % 2 ** 32) | 0, Math.floor(seed / 2 ** 32)]);
  return {
    key: key.byteOffset,
    indices: memory.allocate(4 * LANES),
    shifts: memory.allocate(2 * LANES),
    labels: memory.allocate(4 * LANES),
    predictions: memory.allocate(4 * LANES),
    positions: memory.allocate(8 * LANES),
    loss: memory.allocate(8),
  };
}

/** Taking several shards at once pays where most of the parameters are those of dense layers. */
function shardsAtOnceOf({ layers, parameters }: ModelLayout, shardBlocks: number): number {
  const dense = layers.filter(({ spec }) => kindOf(spec).keepsBlocks === true);
  const share = dense.reduce((sum, layer) => sum + layer.parameters, 0) / Math.max(1, parameters);
  let shards = 1;
  while (share > 0.5 && 2 * shards * shardBlocks * LANES <= SAMPLES_AT_ONCE) shards *= 2;
  return shards;
}

function planFused(layout: ModelLayout, fusion: Fusion, emitter: Emitter): Value {
  let output: Value | undefined;
  for (const pass of ['train', 'evaluate'] as const) {
    emitter.within('fusion', pass, () => {
      const z = fusion.forward(emitter, layout);
      const delta = stackAt(emitter.scratch('delta', shapeSize(z.shape) * POSITION), z.shape);
      emitHead(layout, emitter, pass, { z, delta });
      if (pass === 'train') fusion.backward(emitter, layout, z, delta);
      output = z;
    });
  }
  return output as Value;
}

/** Training may have another loss than evaluations. */
function emitHead(
  { spec, loss }: ModelLayout,
  emitter: Emitter,
  pass: 'train' | 'evaluate',
  { z, delta }: { readonly z: Value; readonly delta: Value },
): void {
  headOf(spec.head).emit(emitter, spec.head, z, delta, pass === 'train' ? loss : undefined);
}

/** Plans a model layer by layer. */
class LayerPlanner {
  readonly #layout: ModelLayout;
  readonly #emitter: Emitter;
  readonly #storage: Storage;
  /** Per place: whether anything up to there is trained. */
  readonly #trained: readonly boolean[];

  constructor(layout: ModelLayout, memory: Layout, emitter: Emitter) {
    this.#layout = layout;
    this.#emitter = emitter;
    this.#storage = new Storage(layout, memory);
    const trained: boolean[] = [];
    for (const { frozen, tensors, sources } of layout.layers)
      trained.push((!frozen && tensors.length > 0) || sources.some((source) => trained[source] === true));
    this.#trained = trained;
  }

  /** @returns the place of the model's outputs */
  plan(inputs: 'uint8' | 'float32'): Value {
    if (this.#storage.isRead(-1)) this.#decode(inputs);
    const { layers } = this.#layout;
    for (const layer of layers) this.#forward(layer, 'train');
    this.#head('train', this.#storage.delta(layers.length - 1));
    for (const layer of layers.toReversed()) if (this.#trained[layer.place] === true) this.#backward(layer);
    for (const layer of layers) this.#forward(layer, 'evaluate');
    this.#head('evaluate', undefined);
    return this.#storage.value(layers.length - 1);
  }

  #decode(inputs: 'uint8' | 'float32'): void {
    const { indices, shifts } = this.#emitter.block;
    const value = this.#storage.value(-1);
    const operation = inputs === 'uint8' ? 'decodeBytes' : 'decodeFloats';
    this.#emitter.op('input', operation, value, indices, shifts, value.shape.maps, sides(value.shape));
  }

  #forward(layer: LayerLayout, pass: 'train' | 'evaluate'): void {
    const inputs = layer.sources.map((source) => this.#storage.value(source));
    const output = this.#storage.value(layer.place);
    this.#emitter.within(layer.spec.name, pass, () =>
      kindOf(layer.spec).forward(this.#emitter, layer, { inputs, output }, pass === 'train'),
    );
    this.#emitter.expose(layer, output);
  }

  #head(pass: 'train' | 'evaluate', delta: Value | undefined): void {
    const z = this.#storage.value(this.#layout.layers.length - 1);
    this.#emitter.within('head', pass, () => {
      const target = delta ?? this.#emitter.temporary(z.shape);
      writeFlattened(this.#emitter, 'forward', target, (vector) =>
        emitHead(this.#layout, this.#emitter, pass, { z, delta: vector }),
      );
    });
  }

  #backward(layer: LayerLayout): void {
    const { sources, place } = layer;
    const storage = this.#storage;
    const delta = storage.delta(place);
    const inputs = sources.map((source) => storage.value(source));
    this.#emitter.within(layer.spec.name, 'train', () => {
      const sums: { readonly target: Value; readonly part: Value }[] = [];
      // A value with several readers has the sum of their deltas: the first to write it writes it itself.
      const inputDeltas = sources.map((source) => {
        if (this.#trained[source] !== true) return undefined;
        const isInPlace = storage.sharesDelta(source, place);
        if (isInPlace || !storage.hasDelta(source)) return storage.delta(source);
        const target = storage.delta(source);
        const part = this.#emitter.temporary(target.shape);
        sums.push({ target, part });
        return part;
      });
      const values = { inputs, output: storage.value(place), delta, inputDeltas };
      kindOf(layer.spec).backward(this.#emitter, layer, values);
      for (const { target, part } of sums)
        this.#emitter.op('train', 'addMaps', target, part, target, target.shape.maps, sides(target.shape));
    });
    storage.release(place);
  }
}

/**
 * What the blocks write: all tensors but those that the list `shards` writes. A range begins with a register, so that its last
 * one ends where a padded vector does; what that adds in front of a tensor, the list `shards` writes over.
 */
function rangesOf({ tensors }: ModelLayout, { shardTensors }: Emitter): ParameterRange[] {
  const ranges: { first: number; count: number }[] = [];
  for (const tensor of tensors) {
    if (shardTensors.has(tensor)) continue;
    const last = ranges.at(-1);
    // The kernel adds whole registers: a range must not reach into the next one.
    if (last !== undefined && tensor.offset - (last.first + last.count) < REGISTER)
      last.count = tensor.offset + tensor.size - last.first;
    else {
      const first = tensor.offset - (tensor.offset % REGISTER);
      ranges.push({ first, count: tensor.offset + tensor.size - first });
    }
  }
  return ranges;
}
