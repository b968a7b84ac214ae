import type { RbfHeadSpec } from '../../model/heads/rbf.ts';
import type { SoftmaxHeadSpec } from '../../model/heads/softmax.ts';
import type { Activation } from '../../model/layers/activation.ts';
import type { ConvSpec } from '../../model/layers/conv.ts';
import type { DenseSpec } from '../../model/layers/dense.ts';
import type { LayerLayout } from '../../model/layers/layer.ts';
import type { ModelLayout } from '../../model/layout.ts';
import { shapeSize } from '../../model/shape.ts';
import { ModelError } from '../../util/errors.ts';
import type { Layout } from './memory.ts';

/** Samples per kernel call: two registers of four lanes (src/kernel/math.ts). */
export const LANES = 8;

/** Bytes of one feature in all lanes. */
const BLOCK = 4 * LANES;

/** The numbers of src/kernel/dense/activation.ts. */
const ACTIVATIONS = { linear: 0, relu: 1, 'scaled-tanh': 2 } as const;

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

/** A convolution and the subsampling after it, as one stride-2 convolution over box sums. */
export interface ConvPlan {
  readonly size: number;
  readonly taps: number;
  readonly inputMaps: number;
  readonly maps: number;
  /** Rows and columns after the subsampling. */
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

export function planInput(layout: ModelLayout, memory: Layout): InputPlan {
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

export function planConv(
  spec: ConvSpec,
  conv: LayerLayout,
  subsample: LayerLayout,
  memory: Layout,
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
    ...planTable(conv, height * width * BLOCK, memory),
    size: spec.kernel,
    taps,
    inputMaps,
    maps,
    height,
    width,
    inputHeight,
    inputWidth,
    plane,
    row,
    deltaPlane,
    deltaRow,
    out,
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
  memory: Layout,
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

export function planDense(
  spec: DenseSpec | SoftmaxHeadSpec,
  layer: LayerLayout,
  before: Before,
  kept: number,
  memory: Layout,
): DensePlan {
  const inputs = shapeSize(layer.input);
  const outputs = shapeSize(layer.output);
  const keptInputBytes = rowBytes(inputs) * LANES;
  const keptDeltaBytes = rowBytes(outputs) * LANES;
  return {
    inputs,
    outputs,
    x: before.x,
    inputDelta: before.delta,
    keptInputBytes,
    keptDeltaBytes,
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

/** A row of `features` float32s as src/kernel/dense/weight-gradient.ts pads it. */
function rowBytes(features: number): number {
  return 4 * Math.ceil(features / 16) * 16;
}

export function planHead(spec: SoftmaxHeadSpec | RbfHeadSpec, before: Before, memory: Layout): HeadPlan {
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
