// The operations of a convolution. All three directions are one kind of loop over taps: a tap is the byte offset of an input
// relative to an output's place, and a weight. So strides, padding, groups and tables are data.
import type { Border, Pair, Shape } from '../shape.ts';
import { type ConvSpec, inputsOf, paddingOf } from './conv-connections.ts';
import { type Emit, type Packing, type Place, POSITION, sides, type Value } from './emit.ts';
import type { BackwardValues, ForwardValues } from './layer.ts';
import { type LayerLayout, type PlacedLayer, tensorOf } from './placed-layer.ts';

type Conv = LayerLayout<ConvSpec>;

/** Consecutive maps with the same partners. */
interface Bundle {
  readonly first: number;
  readonly maps: number;
  readonly partners: readonly number[];
}

function bundlesOf(partners: readonly (readonly number[])[]): Bundle[] {
  const bundles: Bundle[] = [];
  for (const [map, own] of partners.entries()) {
    const last = bundles.at(-1);
    const same =
      last !== undefined && last.partners.length === own.length && own.every((p, i) => p === last.partners[i]);
    if (same) bundles[bundles.length - 1] = { ...last, maps: last.maps + 1 };
    else bundles.push({ first: map, maps: 1, partners: own });
  }
  return bundles;
}

export function forwardConv(emit: Emit, layer: Conv, { inputs: [x], output }: ForwardValues): void {
  const bias = tensorOf(layer, 'bias');
  const starts = kernelStarts(layer);
  const taps = tapsPerKernel(layer);
  for (const bundle of bundlesOf(inputsOf(layer))) {
    const { first, maps, partners } = bundle;
    const n = partners.length * taps;
    convolve(emit, layer, `forward${first}`, {
      x: originOf(layer, x as Value),
      strides: layer.spec.stride,
      from: x as Value,
      offsets: forwardOffsets(layer, partners, x as Value),
      weights: {
        first: (starts[first] as number) * taps,
        stride: n,
        taps: Array.from({ length: n }, (_, tap) => tap),
      },
      bias: bias && { tensor: bias, element: first },
      maps,
      to: { ...output, at: output.at + first * output.plane },
      step: [1, 1],
      flush: false,
    });
  }
}

export function backwardConv(emit: Emit, layer: Conv, values: BackwardValues): void {
  const [inputDelta] = values.inputDeltas;
  if (emit.trains(layer)) weightGradient(emit, layer, values);
  if (inputDelta !== undefined) inputGradient(emit, layer, values.delta, inputDelta);
}

function weightGradient(emit: Emit, layer: Conv, { inputs: [x], delta }: BackwardValues): void {
  const [weight, bias] = [tensorOf(layer, 'weight'), tensorOf(layer, 'bias')];
  const { maps, height, width } = layer.output;
  const starts = kernelStarts(layer);
  const taps = tapsPerKernel(layer);
  const from = x as Value;
  for (const { first, maps, partners } of bundlesOf(inputsOf(layer))) {
    const offsets = emit.integers(`forward${first}`, forwardOffsets(layer, partners, from));
    const [row, step] = [from.row * layer.spec.stride[0], POSITION * layer.spec.stride[1]];
    const target = weight && { tensor: weight, element: (starts[first] as number) * taps };
    const [d, n] = [delta.at + first * delta.plane, partners.length * taps];
    const at = [originOf(layer, from), row, step, offsets, n, d, delta.row, delta.plane];
    emit.op('train', 'convWeightGradient', ...at, maps, height, width, target);
  }
  if (bias !== undefined) emit.op('train', 'biasGradient', delta, maps, sides(layer.output), bias);
}

/**
 * The deltas of the inputs at rows py, py + stride, ... and columns px, px + stride, ... depend on the same taps: one
 * convolution of the output's deltas, with transposed and flipped kernels, for each such phase.
 */
function inputGradient(emit: Emit, layer: Conv, delta: Value, target: Value): void {
  const { spec, inputs } = layer;
  const { height, width } = inputs[0] as Shape;
  const starts = kernelStarts(layer);
  const own = inputsOf(layer);
  const [rows, columns] = axes(layer);
  for (const { first, maps, partners } of bundlesOf(outputsOf(layer))) {
    for (let py = 0; py < Math.min(spec.stride[0], height); py++) {
      for (let px = 0; px < Math.min(spec.stride[1], width); px++) {
        const [ys, xs] = [phaseTaps(rows, py), phaseTaps(columns, px)];
        const taps = partners.flatMap((map) => ys.flatMap((y) => xs.map((x) => ({ map, y, x }))));
        const weights = taps.map(({ map, y, x }) => {
          const kernel = (starts[map] as number) + (own[map] as readonly number[]).indexOf(first);
          return kernel * tapsPerKernel(layer) + y.tap * spec.kernel[1] + x.tap;
        });
        convolve(emit, layer, `input${first}.${py}.${px}`, {
          x: delta.at,
          strides: [1, 1],
          from: delta,
          offsets: taps.map(({ map, y, x }) => map * delta.plane + y.shift * delta.row + x.shift * POSITION),
          // An input map's kernels lie behind those of the map before it, wherever the same maps read both.
          weights: { first: 0, stride: tapsPerKernel(layer), taps: weights },
          bias: undefined,
          maps,
          to: {
            ...target,
            at: target.at + first * target.plane + py * target.row + px * POSITION,
            shape: { maps, height: phaseLength(rows, py), width: phaseLength(columns, px) },
          },
          step: spec.stride,
          flush: true,
        });
      }
    }
  }
}

interface Convolution {
  /** Where the window of the first output begins. */
  readonly x: number;
  readonly strides: Pair;
  readonly from: Value;
  /** [taps] */
  readonly offsets: readonly number[];
  readonly weights: Omit<Packing, 'maps'>;
  readonly bias: Place | undefined;
  readonly maps: number;
  /** The first output; its shape is that of the outputs. */
  readonly to: Value;
  /** Rows and columns from one output to the next. */
  readonly step: Pair;
  /** Sets tiny results to zero. */
  readonly flush: boolean;
}

function convolve(emit: Emit, layer: Conv, name: string, convolution: Convolution): void {
  const { x, strides, from, offsets, bias, maps, to, step, flush } = convolution;
  const weights = emit.packed(name, tensorOf(layer, 'weight'), { ...convolution.weights, maps });
  const source = [x, from.row * strides[0], POSITION * strides[1], emit.integers(name, offsets), offsets.length];
  const { height, width } = to.shape;
  const target = [maps, height, width, to.at, to.row * step[0], POSITION * step[1], to.plane, Number(flush)];
  // Only the weights' gradient and the deltas are of training; a forward pass has no flush.
  emit.op(flush ? 'train' : 'forward', 'conv', ...source, weights, bias, ...target);
}

/** The place that tap (0, 0) of the first output reads, in the border if there is padding. */
function originOf(layer: Conv, x: Value): number {
  const { top, left } = paddingOf(layer);
  return x.at - top * x.row - left * POSITION;
}

function forwardOffsets({ spec }: Conv, inputs: readonly number[], x: Value): number[] {
  const [rows, columns] = spec.kernel;
  const offsets: number[] = [];
  for (const map of inputs) {
    for (let ky = 0; ky < rows; ky++) {
      for (let kx = 0; kx < columns; kx++) offsets.push(map * x.plane + ky * x.row + kx * POSITION);
    }
  }
  return offsets;
}

function tapsPerKernel({ spec }: Conv): number {
  return spec.kernel[0] * spec.kernel[1];
}

/** Per output map, how many kernels lie before its own in the weight tensor. */
function kernelStarts(layer: Conv): number[] {
  let next = 0;
  return inputsOf(layer).map(({ length }) => {
    next += length;
    return next - length;
  });
}

/** Per input map, the output maps that it feeds. */
function outputsOf(layer: PlacedLayer<ConvSpec>): number[][] {
  const outputs = Array.from({ length: (layer.inputs[0] as Shape).maps }, (): number[] => []);
  for (const [output, inputs] of inputsOf(layer).entries()) for (const input of inputs) outputs[input]?.push(output);
  return outputs;
}

/** A convolution along rows or columns. */
interface Axis {
  readonly kernel: number;
  readonly stride: number;
  readonly padding: number;
  readonly input: number;
  readonly output: number;
}

function axes(layer: PlacedLayer<ConvSpec>): readonly [Axis, Axis] {
  const { spec, inputs, output } = layer;
  const [input, padding] = [inputs[0] as Shape, paddingOf(layer)];
  return [
    {
      kernel: spec.kernel[0],
      stride: spec.stride[0],
      padding: padding.top,
      input: input.height,
      output: output.height,
    },
    { kernel: spec.kernel[1], stride: spec.stride[1], padding: padding.left, input: input.width, output: output.width },
  ];
}

/** The taps through which outputs read the inputs of a phase, and how far those outputs are from input phase + q stride: at q + shift. */
function phaseTaps(
  { kernel, stride, padding }: Axis,
  phase: number,
): { readonly tap: number; readonly shift: number }[] {
  const taps: { tap: number; shift: number }[] = [];
  for (let tap = kernel - 1; tap >= 0; tap--) {
    if ((phase + padding - tap) % stride === 0) taps.push({ tap, shift: (phase + padding - tap) / stride });
  }
  return taps;
}

function phaseLength({ input, stride }: Axis, phase: number): number {
  return Math.ceil((input - phase) / stride);
}

/** How far the phases of an axis reach before the first and behind the last output. */
function reach(axis: Axis): readonly [before: number, behind: number] {
  let [before, behind] = [0, 0];
  for (let phase = 0; phase < Math.min(axis.stride, axis.input); phase++) {
    for (const { shift } of phaseTaps(axis, phase)) {
      before = Math.max(before, -shift);
      behind = Math.max(behind, phaseLength(axis, phase) + shift - axis.output);
    }
  }
  return [before, behind];
}

/** The zeros that the input's gradient reads around the output's deltas. */
export function deltaBorder(layer: PlacedLayer<ConvSpec>): Border {
  const [rows, columns] = axes(layer);
  const [[top, bottom], [left, right]] = [reach(rows), reach(columns)];
  return { top, left, bottom, right };
}
