// Backpropagation as a textbook has it, in float64, to hold faster code against: every kind of layer is in layers/, the
// losses are in heads.ts, and nothing is fused, packed, vectorised or reused.
import { addAt, argmax, at } from './arrays.ts';
import { type HeadLoss, headLoss, type Target } from './heads.ts';
import { kindOf } from './layers/kinds.ts';
import type { BackwardPass, Pass, Values } from './layers/layer.ts';
import { found, INPUT, type Node, nodesOf, tensorsOf } from './network.ts';
import type { NetworkSpec, TrainingLoss } from './spec.ts';

/** Tensors by name, each in its own order. */
export type Tensors = ReadonlyMap<string, Float64Array>;

/** Samples of a block share the statistics of batch norm. */
const BLOCK = 8;

export interface Batch {
  /** Per sample, [maps][height][width]; bytes already divided by 255. */
  readonly inputs: readonly Float64Array[];
  readonly targets: readonly Target[];
  /** Samples in a shard; the last shard may be smaller. A shard is cut into blocks of 8 samples and a rest. */
  readonly shardSize: number;
  /** Whether dropout drops and batch norm uses the statistics of the block. */
  readonly training: boolean;
  /** Layers that aren't trained; the entries of their tensors in a gradient mean nothing. */
  readonly frozen?: readonly string[];
  /** In place of the head's own, while training. */
  readonly loss?: TrainingLoss | undefined;
  /** The run's seed, for dropout. */
  readonly seed: number;
  /** The first sample's position in the stream of training samples; the others follow. */
  readonly first: number;
}

/** What a block's samples became on their way. */
export interface Trace {
  /** By layer's name, and "input": the values per sample. */
  readonly values: ReadonlyMap<string, readonly Values[]>;
  /** Per sample. */
  readonly heads: readonly HeadLoss[];
}

export interface Result {
  readonly lossSum: number;
  readonly correct: number;
  /** Per sample, the class that the head chooses; 0 if it has no classes. */
  readonly predictions: readonly number[];
  /** Per sample, the last layer's values. */
  readonly outputs: readonly Values[];
  readonly traces: readonly Trace[];
}

export interface GradientResult extends Result {
  /** Sums over all samples; a state tensor's entry is its sum over samples (see layers/norm.ts). */
  readonly gradient: Tensors;
}

/** Losses and values without gradients. */
export function referenceForward(network: NetworkSpec, parameters: Tensors, batch: Batch): Result {
  const nodes = nodesOf(network);
  return summed(
    network,
    blocksOf(batch).map((block) => forwardBlock(network, nodes, parameters, block)),
  );
}

/** Losses and gradients, summed over the samples, by plain backpropagation. */
export function referenceGradient(network: NetworkSpec, parameters: Tensors, batch: Batch): GradientResult {
  const nodes = nodesOf(network);
  const gradient = new Map(tensorsOf(network).map(({ name, size }) => [name, new Float64Array(size)]));
  const traces = blocksOf(batch).map((block) => {
    const trace = forwardBlock(network, nodes, parameters, block);
    backwardBlock(nodes, parameters, block, trace, gradient);
    return trace;
  });
  return { ...summed(network, traces), gradient };
}

/** The batch's samples as they pass through the network together. */
export function blocksOf(batch: Batch): Batch[] {
  const blocks: Batch[] = [];
  for (let shard = 0; shard < batch.inputs.length; shard += batch.shardSize) {
    const end = Math.min(shard + batch.shardSize, batch.inputs.length);
    for (let start = shard; start < end; start += BLOCK) {
      const samples = [start, Math.min(start + BLOCK, end)] as const;
      const [inputs, targets] = [batch.inputs.slice(...samples), batch.targets.slice(...samples)];
      blocks.push({ ...batch, inputs, targets, first: batch.first + start });
    }
  }
  return blocks;
}

function forwardBlock(network: NetworkSpec, nodes: readonly Node[], parameters: Tensors, block: Batch): Trace {
  const values = new Map<string, readonly Values[]>([[INPUT, block.inputs]]);
  for (const node of nodes) {
    const pass = passOf(node, parameters, block, values);
    values.set(node.spec.name, kindOf(node.spec).forward(pass));
  }
  const outputs = found(values, at(network.layers, network.layers.length - 1).name);
  const loss = block.training ? block.loss : undefined;
  return { values, heads: outputs.map((z, n) => headLoss(network.head, z, at(block.targets, n), loss)) };
}

function backwardBlock(
  nodes: readonly Node[],
  parameters: Tensors,
  block: Batch,
  trace: Trace,
  gradient: Tensors,
): void {
  // A layer's delta is complete once all layers that read its values have added to it: they come later in the spec.
  const deltas = new Map<string, readonly Values[]>();
  for (const [name, xs] of trace.values)
    deltas.set(
      name,
      xs.map((x) => new Float64Array(x.length)),
    );
  deltas.set(
    at(nodes, nodes.length - 1).spec.name,
    trace.heads.map(({ delta }) => delta),
  );
  for (const node of nodes.toReversed()) {
    const { name, inputs } = node.spec;
    const pass: BackwardPass<Node['spec']> = {
      ...passOf(node, parameters, block, trace.values),
      outputs: found(trace.values, name),
      deltas: found(deltas, name),
      gradient: (part) => found(gradient, `${name}.${part}`),
    };
    for (const [k, dx] of kindOf(node.spec).backward(pass).entries()) addAll(found(deltas, at(inputs, k)), dx);
  }
}

function passOf(
  { spec, place, inputShapes, outputShape }: Node,
  parameters: Tensors,
  { training, frozen = [], seed, first, inputs: samples }: Batch,
  values: ReadonlyMap<string, readonly Values[]>,
): Pass<Node['spec']> {
  return {
    spec,
    place,
    inputShapes,
    outputShape,
    inputs: spec.inputs.map((name) => found(values, name)),
    training,
    frozen: frozen.includes(spec.name),
    seed,
    positions: samples.map((_, n) => first + n),
    parameter: (part) => found(parameters, `${spec.name}.${part}`),
  };
}

function addAll(totals: readonly Values[], samples: readonly Values[]): void {
  for (const [n, sample] of samples.entries()) {
    const total = at(totals, n);
    for (let i = 0; i < sample.length; i++) addAt(total, i, at(sample, i));
  }
}

function summed(network: NetworkSpec, traces: readonly Trace[]): Result {
  const heads = traces.flatMap((trace) => trace.heads);
  const last = at(network.layers, network.layers.length - 1).name;
  return {
    lossSum: heads.reduce((sum, { loss }) => sum + loss, 0),
    correct: heads.filter(({ correct }) => correct).length,
    predictions: heads.map(({ scores }) => (scores.length > 0 ? argmax(scores) : 0)),
    outputs: traces.flatMap((trace) => found(trace.values, last)),
    traces,
  };
}
