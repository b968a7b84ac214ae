// LeNet-5 and its like: pairs of convolution and subsampling, each with ReLU, then dense layers. A convolution and the subsampling
// after it are one convolution at stride 2 over 2x2 box sums (docs/kernel.md): a quarter of the multiplications.
import { kindOf } from '../kinds.ts';
import { inputsOf } from '../layers/conv-connections.ts';
import { keepForShards, shardGradients } from '../layers/dense.ts';
import { type Emit, LANES, POSITION, stackAt, type Value } from '../layers/emit.ts';
import { tensorOf } from '../layers/placed-layer.ts';
import type { ModelLayout } from '../layout.ts';
import { type Shape, shapeSize, vector } from '../shape.ts';
import type { Fusion } from './fusion.ts';
import { FUSED_ACTIVATIONS, type LenetLayers, type LenetPair, lenetLayers } from './lenet-layers.ts';

const RELU = FUSED_ACTIVATIONS.relu;
const LINEAR = 0;

export const lenet: Fusion = {
  matches: (layout) => lenetLayers(layout) !== undefined,
  padding: (layout) => (lenetLayers(layout) as LenetLayers).padding,
  macs(layer) {
    const { forward, input, weight } = kindOf(layer.spec).macs(layer);
    // After the subsampling a quarter of the positions are left.
    const share = layer.spec.kind === 'conv' ? 1 / 4 : 1;
    return { forward: share * forward, input: share * input, weight: share * weight };
  },
  forward(emit, layout) {
    const { denses } = lenetLayers(layout) as LenetLayers;
    let x: Value | undefined;
    for (const fused of fusedConvs(emit, layout)) {
      if (x === undefined) emitDecode(emit, layout, fused);
      else emit.op('forward', 'boxSum', x.at, x.shape.maps, x.shape.height, x.shape.width, fused.sums);
      emitConv(emit, fused);
      emit.expose(fused.pair.last, fused.output);
      x = fused.output;
    }
    for (const { dense, last, activation } of denses) {
      const [from, units] = [x as Value, dense.spec.units];
      x = stackAt(emit.scratch(last.spec.name, units * POSITION), vector(units));
      const [weight, bias] = [tensorOf(dense, 'weight'), tensorOf(dense, 'bias')];
      emit.op('forward', 'denseForward', weight, bias, from.at, shapeSize(from.shape), units, activation, x.at);
      emit.expose(last, x);
    }
    return x as Value;
  },
  backward(emit, layout, output, delta) {
    const { denses } = lenetLayers(layout) as LenetLayers;
    const convs = fusedConvs(emit, layout);
    const lastConv = convs.at(-1) as FusedConv;
    const isTrained = [
      ...convs.map(({ pair }) => emit.trains(pair.conv) || emit.trains(pair.subsample)),
      ...denses.map(({ dense }) => emit.trains(dense)),
    ];
    const first = isTrained.indexOf(true);
    if (first === -1) return;
    const outputs = denses.map(({ dense, last }) => emit.scratch(last.spec.name, dense.spec.units * POSITION));
    const last = denses.at(-1)?.activation ?? LINEAR;
    if (last !== LINEAR)
      emit.op('train', 'activationBackward', delta.at, output.at, shapeSize(output.shape), last, delta.at);
    let d = delta.at;
    for (let i = denses.length - 1; i >= 0 && convs.length + i >= first; i--) {
      const { dense } = denses[i] as LenetLayers['denses'][number];
      const before = denses[i - 1];
      const x = outputs[i - 1] ?? lastConv.output.at;
      if (emit.trains(dense)) keepForShards(emit, dense, x, d);
      if (convs.length + i === first) break;
      const inputs = shapeSize(dense.inputs[0] as Shape);
      // Each layer's input has had an activation, whose derivative the kernel applies too.
      const target =
        before === undefined ? lastConv.delta : emit.scratch(`${before.last.spec.name}.delta`, inputs * POSITION);
      const sizes = [inputs, dense.spec.units, before?.activation ?? RELU];
      emit.op('train', 'denseInputGradient', tensorOf(dense, 'weight'), d, x, ...sizes, target);
      d = target;
    }
    for (let i = convs.length - 1; i >= first; i--) {
      const fused = convs[i] as FusedConv;
      if (isTrained[i] === true) emitWeightGradients(emit, fused);
      if (i > first) emitInputGradient(emit, fused, convs[i - 1] as FusedConv);
    }
    for (const { dense } of denses) if (emit.trains(dense)) shardGradients(emit, dense);
  },
};

/** Where a fused pair finds its tables and values. */
interface FusedConv {
  readonly pair: LenetPair;
  /** Rows and columns of a kernel, and both. */
  readonly size: number;
  readonly taps: number;
  readonly output: Value;
  readonly delta: number;
  /** Box sums of the input: `plane` bytes a map, `row` bytes a row. */
  readonly sums: number;
  readonly row: number;
  readonly plane: number;
  /** By output map: the first kernel of each, and the input map of each kernel. */
  readonly starts: number;
  readonly inputs: number;
  readonly folded: number;
  readonly foldedBias: number;
  readonly name: (part: string) => string;
}

/** Bytes of a row of 16-bit sums and bytes are whole registers (src/kernel/input.ts). */
function decodedStride(side: number): number {
  return Math.ceil(side / 16) * 16;
}

function fusedConvs(emit: Emit, layout: ModelLayout): FusedConv[] {
  const { convs } = lenetLayers(layout) as LenetLayers;
  return convs.map((pair, i): FusedConv => {
    const { conv, subsample } = pair;
    const name = (part: string): string => `${conv.spec.name}.${part}`;
    const input = conv.inputs[0] as Shape;
    const inputs = inputsOf(conv);
    const [size, kernels] = [conv.spec.kernel[0], inputs.flat().length];
    const row = (i === 0 ? decodedStride(input.width) : input.width - 1) * POSITION;
    const plane = (input.height - 1) * row;
    const bytes = shapeSize(subsample.output) * POSITION;
    const starts = [0];
    for (const { length } of inputs) starts.push((starts.at(-1) as number) + length);
    return {
      pair,
      name,
      size,
      taps: size * size,
      row,
      plane,
      output: stackAt(emit.scratch(name('output'), bytes), subsample.output),
      delta: emit.scratch(name('delta'), bytes),
      sums: emit.scratch(name('sums'), input.maps * plane),
      starts: emit.integers(name('starts'), starts),
      inputs: emit.integers(name('inputs'), inputs.flat()),
      folded: emit.scratch(name('folded'), 4 * kernels * size * size),
      foldedBias: emit.scratch(name('foldedBias'), 4 * inputs.length),
    };
  });
}

function emitDecode(emit: Emit, { input }: ModelLayout, { pair, sums }: FusedConv): void {
  const { height: side } = pair.conv.inputs[0] as Shape;
  const [stride, padding] = [decodedStride(side), (side - input.height) / 2];
  const scratch = emit.scratch('decoded', LANES * ((side + 1) * stride + 2 * side * stride) + 16);
  const { indices, shifts } = emit.block;
  const sizes = [input.width, input.height, padding, stride, side];
  emit.once('decode', () => emit.op('input', 'decodeBoxSums', indices, shifts, ...sizes, scratch, sums));
}

function emitConv(emit: Emit, fused: FusedConv): void {
  const { conv, subsample } = fused.pair;
  const { starts, inputs, folded, foldedBias, taps, size, output } = fused;
  const { maps, height, width } = output.shape;
  const tensors = [tensorOf(conv, 'weight'), tensorOf(conv, 'bias'), ...subsample.tensors];
  emit.once(fused.name('fold'), () =>
    emit.op('step', 'foldSubsample', ...tensors, starts, taps, maps, folded, foldedBias),
  );
  const from = [fused.sums, fused.plane, fused.row, starts, inputs, folded, foldedBias, size];
  emit.op('forward', 'subsampledConv', ...from, maps, height, width, output.at);
}

/** Of both layers, though one of them may be frozen: updates leave that one alone. */
function emitWeightGradients(emit: Emit, fused: FusedConv): void {
  const { pair, name, delta, size, taps, starts, inputs } = fused;
  const { maps, height, width } = fused.output.shape;
  const kernels = inputsOf(pair.conv).flat().length;
  const [gradient, biasGradient] = [
    emit.scratch(name('gradient'), 4 * kernels * taps),
    emit.scratch(name('biasGradient'), 4 * maps),
  ];
  const from = [fused.sums, fused.plane, fused.row, starts, inputs, delta, size];
  emit.op('train', 'subsampledConvWeightGradient', ...from, maps, height, width, gradient, biasGradient);
  const [weight, bias] = [tensorOf(pair.conv, 'weight'), tensorOf(pair.conv, 'bias')];
  const [coefficient, shift] = pair.subsample.tensors;
  const sources = [weight, bias, coefficient, starts, taps, maps, gradient, biasGradient];
  emit.op('train', 'unfoldGradient', ...sources, weight, bias, coefficient, shift);
}

function emitInputGradient(emit: Emit, fused: FusedConv, before: FusedConv): void {
  const { pair, name, delta, folded, size, taps } = fused;
  const { height, width } = fused.output.shape;
  const input = pair.conv.inputs[0] as Shape;
  const row = (input.width + 1) * POSITION;
  const plane = (input.height + 1) * row;
  const sumDeltas = emit.scratch(name('sumDeltas'), input.maps * plane);
  const { feeds, starts } = feedsOf(inputsOf(pair.conv), input.maps, 4 * taps, height * width * POSITION);
  const tables = [emit.integers(name('feeds'), feeds), emit.integers(name('feedStarts'), starts)];
  emit.op('train', 'clear', sumDeltas, input.maps * plane);
  // The border of zeros: one row above and one column to the left.
  const inside = sumDeltas + row + POSITION;
  emit.op(
    'train',
    'subsampledConvInputGradient',
    delta,
    folded,
    ...tables,
    size,
    input.maps,
    height,
    width,
    inside,
    plane,
    row,
  );
  const { shape, at } = before.output;
  emit.op('train', 'boxSumBackward', sumDeltas, at, shape.maps, shape.height, shape.width, before.delta);
}

/** Per input map, what it feeds: the byte offset of each kernel, and that of its output map's deltas. */
function feedsOf(inputs: readonly (readonly number[])[], inputMaps: number, kernelBytes: number, planeBytes: number) {
  const kernels = inputs.flatMap((from, output) => from.map((input) => ({ input, output })));
  const feeds: number[] = [];
  const starts = [0];
  for (let map = 0; map < inputMaps; map++) {
    for (const [k, { input, output }] of kernels.entries()) {
      if (input === map) feeds.push(k * kernelBytes, output * planeBytes);
    }
    starts.push(feeds.length / 2);
  }
  return { feeds, starts };
}
