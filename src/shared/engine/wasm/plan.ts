import { type LayerLayout, type ModelLayout, shapeSize } from '../../model/layout.ts';
import type { Activation, ConvSpec, DenseSpec, RbfHeadSpec, SoftmaxHeadSpec } from '../../model/spec.ts';
import { ModelError } from '../../util/errors.ts';
import { depthOf } from '../tree.ts';
import { type KernelMemory, padded } from './memory.ts';

/** Samples per kernel call: two registers of four lanes (src/kernel/math.ts). */
export const LANES = 8;

/** Bytes of one feature in all lanes. */
const BLOCK = 4 * LANES;

/** As src/kernel/dense.ts numbers them. */
const ACTIVATIONS = { linear: 0, relu: 1, 'scaled-tanh': 2 } as const;

/**
 * Where one worker's kernel finds its tables, activations and deltas: plain numbers, made by the main thread and sent to the
 * worker. Pointers are byte offsets into the memory; names ending in `Offset` count bytes from the start of the
 * weights or the gradient.
 */
export interface KernelPlan {
  readonly parameters: number;
  /** Shards whose activations and deltas are kept for one pass over the dense layers' gradients; a power of two. */
  readonly shardsAtOnce: number;
  readonly input: InputPlan;
  readonly convs: readonly ConvPlan[];
  readonly denses: readonly DensePlan[];
  readonly head: HeadPlan;
  /** Parameters of the convs and their subsampling, which come first in the flat order. */
  readonly convParameters: number;
  /** Pending sums of their gradients, a vector for each level of the tree but the lowest, which is the target itself. */
  readonly convSums: readonly number[];
  /** Pending sums of a tile of the dense layers' gradients. */
  readonly stack: number;
  /** i32 [LANES] each. */
  readonly labels: number;
  readonly predictions: number;
}

export interface InputPlan {
  readonly width: number;
  readonly height: number;
  readonly padding: number;
  /** Columns of a padded row. */
  readonly stride: number;
  readonly side: number;
  readonly scratch: number;
  readonly indices: number;
  readonly shifts: number;
}

/** A convolution and the subsampling behind it, as one stride-2 convolution over box sums. */
export interface ConvPlan {
  readonly size: number;
  readonly taps: number;
  readonly inputMaps: number;
  readonly maps: number;
  /** Rows and columns behind the subsampling. */
  readonly height: number;
  readonly width: number;
  /** Rows and columns of an input map. */
  readonly inputHeight: number;
  readonly inputWidth: number;
  /** Box sums of the input: `plane` bytes a map, `row` bytes a row. */
  readonly sums: number;
  readonly plane: number;
  readonly row: number;
  /** Their deltas, inside a border of zeros; 0 for the first layer, which needs none. */
  readonly sumDeltas: number;
  readonly deltaPlane: number;
  readonly deltaRow: number;
  readonly starts: number;
  readonly inputs: number;
  readonly feeds: number;
  readonly feedStarts: number;
  readonly folded: number;
  readonly foldedBias: number;
  readonly foldedGradient: number;
  readonly foldedBiasGradient: number;
  readonly out: number;
  readonly delta: number;
  readonly weightOffset: number;
  readonly biasOffset: number;
  readonly coefficientOffset: number;
  readonly subsampleBiasOffset: number;
}

export interface DensePlan {
  readonly inputs: number;
  readonly outputs: number;
  readonly activation: number;
  /** The activation of the layer before. */
  readonly inputActivation: number;
  readonly x: number;
  readonly inputDelta: number;
  readonly out: number;
  readonly delta: number;
  /** [shards][blocks] of inputs and deltas by sample, as `transpose` leaves them, for the weight gradients. */
  readonly keptInputs: number;
  readonly keptInputBytes: number;
  readonly keptDeltas: number;
  readonly keptDeltaBytes: number;
  readonly weightOffset: number;
  readonly biasOffset: number;
}

export type HeadPlan =
  | { readonly kind: 'softmax'; readonly classes: number; readonly logits: number; readonly delta: number }
  | {
      readonly kind: 'rbf';
      readonly classes: number;
      readonly units: number;
      readonly j: number;
      readonly targets: number;
      readonly x: number;
      readonly distances: number;
      readonly delta: number;
      readonly activation: number;
    };

/** Samples whose dense layers are differentiated in one pass: enough to make the pass over the gradient cheap. */
const SAMPLES_AT_ONCE = 64;
/** Bytes that src/kernel/dense.ts keeps for a pending sum. */
const STACK_LEVEL = 128;

/**
 * Lays out one worker's scratch memory for a model and shards of at most `shardSize` samples.
 * @throws ModelError where the spec isn't (conv, subsample) pairs, then dense layers, then a head
 */
export function planKernel(layout: ModelLayout, shardSize: number, memory: KernelMemory): KernelPlan {
  const blocks = Math.ceil(shardSize / LANES);
  let shardsAtOnce = 1;
  while (2 * shardsAtOnce * blocks * LANES <= SAMPLES_AT_ONCE) shardsAtOnce *= 2;
  const kept = shardsAtOnce * blocks;
  const convs: ConvPlan[] = [];
  const denses: DensePlan[] = [];
  let x = 0;
  let delta = 0;
  let activation: Activation = 'relu';
  const rest = [...layout.layers];
  const input = planInput(layout, memory);
  for (let layer = rest.shift(); layer !== undefined; layer = rest.shift()) {
    const { spec } = layer;
    if (spec.kind === 'conv') {
      const subsample = rest.shift();
      if (denses.length > 0 || subsample?.spec.kind !== 'subsample') {
        throw new ModelError(
          `${spec.name}: the kernel computes a conv and the subsample layer behind it, before any dense.`,
        );
      }
      const plan = planConv(spec, layer, subsample, memory, convs.length === 0 ? input.stride : undefined);
      convs.push(plan);
      ({ out: x, delta } = plan);
    } else if (spec.kind === 'dense' || spec.kind === 'softmax') {
      const plan = planDense(spec, layer, { x, delta, activation }, kept, memory);
      denses.push(plan);
      ({ out: x, delta } = plan);
      if (spec.kind === 'dense') activation = spec.activation;
    } else if (spec.kind === 'subsample') {
      throw new ModelError(`${spec.name}: the kernel computes a subsample layer behind a conv only.`);
    }
  }
  if (convs.length === 0) throw new ModelError(`${layout.spec.name}: the kernel expects a conv layer first.`);
  const head = planHead(layout.spec.head, { x, delta, activation }, memory);
  const convParameters = (denses[0]?.weightOffset ?? 4 * layout.parameters) / 4;
  return {
    ...{ parameters: layout.parameters, shardsAtOnce, convParameters },
    convSums: Array.from({ length: depthOf(shardsAtOnce) }, () => memory.allocate(4 * padded(convParameters))),
    stack: memory.allocate(STACK_LEVEL * (depthOf(shardsAtOnce) + 1)),
    input,
    convs,
    denses,
    head,
    labels: memory.allocate(4 * LANES),
    predictions: memory.allocate(4 * LANES),
  };
}

function planInput(layout: ModelLayout, memory: KernelMemory): InputPlan {
  const { width, height, padding } = layout.spec.input;
  const side = height + 2 * padding;
  // `place` in src/kernel/input.ts moves 16 bytes at a time.
  if (width < 16 || width !== height) {
    throw new ModelError(
      `${layout.spec.name}: the kernel expects square inputs of 16 pixels or more, not ${width}x${height}.`,
    );
  }
  const stride = Math.ceil(side / 16) * 16;
  const bytes = LANES * ((side + 1) * stride + 2 * side * stride);
  return {
    width,
    height,
    padding,
    stride,
    side,
    scratch: memory.allocate(bytes + 16),
    indices: memory.allocate(4 * LANES),
    shifts: memory.allocate(2 * LANES),
  };
}

function planConv(
  spec: ConvSpec,
  conv: LayerLayout,
  subsample: LayerLayout,
  memory: KernelMemory,
  stride: number | undefined,
): ConvPlan {
  const { maps: inputMaps, height: inputHeight, width: inputWidth } = conv.input;
  const { maps, height, width } = subsample.output;
  const taps = spec.kernel * spec.kernel;
  const kernels = conv.inputsOf.flat().length;
  const row = (stride ?? inputWidth - 1) * BLOCK;
  const plane = (inputHeight - 1) * row;
  const deltaRow = (inputWidth + 1) * BLOCK;
  const deltaPlane = (inputHeight + 1) * deltaRow;
  const out = memory.allocate(shapeSize(subsample.output) * BLOCK);
  return {
    ...{ size: spec.kernel, taps, inputMaps, maps, height, width, inputHeight, inputWidth },
    ...{ plane, row, deltaPlane, deltaRow, out, ...planTable(conv, height * width * BLOCK, memory) },
    sums: memory.allocate(inputMaps * plane),
    sumDeltas: stride === undefined ? memory.allocate(inputMaps * deltaPlane) : 0,
    folded: memory.allocate(4 * kernels * taps),
    foldedBias: memory.allocate(4 * maps),
    foldedGradient: memory.allocate(4 * kernels * taps),
    foldedBiasGradient: memory.allocate(4 * maps),
    delta: memory.allocate(shapeSize(subsample.output) * BLOCK),
    weightOffset: offsetOf(conv, 0),
    biasOffset: offsetOf(conv, 1),
    coefficientOffset: offsetOf(subsample, 0),
    subsampleBiasOffset: offsetOf(subsample, 1),
  };
}

/** The connection table both ways: kernels by output map (forward), and by input map with what each feeds (backward). */
function planTable(
  conv: LayerLayout,
  outputPlane: number,
  memory: KernelMemory,
): Pick<ConvPlan, 'starts' | 'inputs' | 'feeds' | 'feedStarts'> {
  const kernels = conv.inputsOf.flatMap((inputs, output) => inputs.map((input) => ({ input, output })));
  const kernelBytes = (4 * (conv.tensors[0]?.size ?? 0)) / kernels.length;
  const starts = memory.int32(conv.output.maps + 1);
  for (const [o, inputs] of conv.inputsOf.entries()) starts[o + 1] = (starts[o] ?? 0) + inputs.length;
  const inputs = memory.int32(kernels.length);
  inputs.set(kernels.map(({ input }) => input));
  const feeds = memory.int32(2 * kernels.length);
  const feedStarts = memory.int32(conv.input.maps + 1);
  let next = 0;
  for (let input = 0; input < conv.input.maps; input++) {
    for (const [k, kernel] of kernels.entries()) {
      if (kernel.input !== input) continue;
      feeds[next++] = k * kernelBytes;
      feeds[next++] = kernel.output * outputPlane;
    }
    feedStarts[input + 1] = next / 2;
  }
  return {
    starts: starts.byteOffset,
    inputs: inputs.byteOffset,
    feeds: feeds.byteOffset,
    feedStarts: feedStarts.byteOffset,
  };
}

interface Before {
  readonly x: number;
  readonly delta: number;
  readonly activation: Activation;
}

function planDense(
  spec: DenseSpec | SoftmaxHeadSpec,
  layer: LayerLayout,
  before: Before,
  kept: number,
  memory: KernelMemory,
): DensePlan {
  const inputs = shapeSize(layer.input);
  const outputs = shapeSize(layer.output);
  const keptInputBytes = rowBytes(inputs) * LANES;
  const keptDeltaBytes = rowBytes(outputs) * LANES;
  return {
    ...{ inputs, outputs, x: before.x, inputDelta: before.delta, keptInputBytes, keptDeltaBytes },
    activation: spec.kind === 'dense' ? ACTIVATIONS[spec.activation] : ACTIVATIONS.linear,
    inputActivation: ACTIVATIONS[before.activation],
    out: memory.allocate(outputs * BLOCK),
    delta: memory.allocate(outputs * BLOCK),
    keptInputs: memory.allocate(kept * keptInputBytes),
    keptDeltas: memory.allocate(kept * keptDeltaBytes),
    weightOffset: offsetOf(layer, 0),
    biasOffset: offsetOf(layer, 1),
  };
}

/** A row of `features` float32s as src/kernel/dense.ts pads it. */
function rowBytes(features: number): number {
  return 4 * Math.ceil(features / 16) * 16;
}

function planHead(spec: SoftmaxHeadSpec | RbfHeadSpec, before: Before, memory: KernelMemory): HeadPlan {
  const { classes } = spec;
  if (spec.kind === 'softmax') return { kind: 'softmax', classes, logits: before.x, delta: before.delta };
  const flat = spec.targets.flat();
  const targets = memory.float32(flat.length);
  targets.set(flat);
  return {
    kind: 'rbf',
    classes,
    units: flat.length / classes,
    j: spec.j,
    targets: targets.byteOffset,
    x: before.x,
    distances: memory.allocate(classes * BLOCK),
    delta: before.delta,
    activation: ACTIVATIONS[before.activation],
  };
}

function offsetOf(layer: LayerLayout, tensor: number): number {
  return 4 * (layer.tensors[tensor]?.offset ?? 0);
}
