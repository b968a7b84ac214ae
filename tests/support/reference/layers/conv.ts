import { addAt, at } from '../arrays.ts';
import type { ConvSpec, Shape } from '../spec.ts';
import { eachSample, mapOf, type Pass, sizeOf } from './layer.ts';
import { forEachPosition, type Windows, windowCounts } from './windows.ts';

/** y[o] = bias[o] + the sum over the input maps that feed o, and over the kernel's positions, of weight times x. */
export const conv = eachSample<ConvSpec>({
  shape(spec, input) {
    const [height, width] = windowCounts(windowsOf(spec), input);
    return { maps: spec.maps, height, width };
  },
  tensors(spec, input) {
    const weight = spec.table
      ? [connectionsOf(spec, input).length, ...spec.kernel]
      : [spec.maps, input.maps / spec.groups, ...spec.kernel];
    const tensors = [{ part: 'weight', shape: weight }];
    return spec.bias ? [...tensors, { part: 'bias', shape: [spec.maps] }] : tensors;
  },

  forward(pass, x) {
    const { spec, outputShape } = pass;
    const weight = pass.parameter('weight');
    const y = new Float64Array(sizeOf(outputShape));
    if (spec.bias) {
      const bias = pass.parameter('bias');
      for (let o = 0; o < y.length; o++) y[o] = at(bias, mapOf(o, outputShape));
    }
    forEachTap(pass, (w, i, o) => addAt(y, o, at(weight, w) * at(x, i)));
    return y;
  },

  backward(pass, x, _y, dy) {
    const weight = pass.parameter('weight');
    const weightGradient = pass.gradient('weight');
    const dx = new Float64Array(x.length);
    forEachTap(pass, (w, i, o) => {
      addAt(weightGradient, w, at(dy, o) * at(x, i));
      addAt(dx, i, at(dy, o) * at(weight, w));
    });
    if (pass.spec.bias) {
      const biasGradient = pass.gradient('bias');
      for (let o = 0; o < dy.length; o++) addAt(biasGradient, mapOf(o, pass.outputShape), at(dy, o));
    }
    return dx;
  },
});

function windowsOf({ kernel, stride, padding }: ConvSpec): Windows {
  return { size: kernel, stride, padding };
}

/** The kernels in the order of the weight tensor: by output map, then by input map. */
function connectionsOf({ maps, groups, table }: ConvSpec, input: Shape): { from: number; to: number }[] {
  const connections: { from: number; to: number }[] = [];
  for (let to = 0; to < maps; to++) {
    for (let from = 0; from < input.maps; from++) {
      const sameGroup = Math.floor((from * groups) / input.maps) === Math.floor((to * groups) / maps);
      if (table ? table[from]?.includes(to) : sameGroup) connections.push({ from, to });
    }
  }
  return connections;
}

/** Visits every multiplication by the places of its weight, its input and the output that it adds to. */
function forEachTap(
  { spec, inputShapes, outputShape }: Pass<ConvSpec>,
  visit: (weight: number, input: number, output: number) => void,
): void {
  const input = at(inputShapes, 0);
  const taps = spec.kernel[0] * spec.kernel[1];
  for (const [kernel, { from, to }] of connectionsOf(spec, input).entries()) {
    const inputMap = from * input.height * input.width;
    const outputMap = to * outputShape.height * outputShape.width;
    forEachPosition(windowsOf(spec), input, (o, tap, i) => visit(kernel * taps + tap, inputMap + i, outputMap + o));
  }
}
