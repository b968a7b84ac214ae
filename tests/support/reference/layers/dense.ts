import { addAt, at } from '../arrays.ts';
import type { DenseSpec, LayerSpec } from '../spec.ts';
import { eachSample, sizeOf } from './layer.ts';

/** y[u] = bias[u] + the sum over all inputs, a stack's in its order, of weight[u][i] times x[i]. */
export const dense = eachSample<DenseSpec>({
  shape: ({ units }) => ({ maps: units, height: 1, width: 1 }),
  tensors({ units, bias }, input) {
    const tensors = [{ part: 'weight', shape: [units, sizeOf(input)] }];
    return bias ? [...tensors, { part: 'bias', shape: [units] }] : tensors;
  },
  forward(pass, x) {
    const weight = pass.parameter('weight');
    const y = pass.spec.bias ? pass.parameter('bias').slice() : new Float64Array(pass.spec.units);
    for (let u = 0; u < y.length; u++) {
      for (let i = 0; i < x.length; i++) addAt(y, u, at(weight, u * x.length + i) * at(x, i));
    }
    return y;
  },
  backward(pass, x, _y, dy) {
    const weight = pass.parameter('weight');
    const weightGradient = pass.gradient('weight');
    const dx = new Float64Array(x.length);
    for (let u = 0; u < dy.length; u++) {
      if (pass.spec.bias) addAt(pass.gradient('bias'), u, at(dy, u));
      for (let i = 0; i < x.length; i++) {
        addAt(weightGradient, u * x.length + i, at(dy, u) * at(x, i));
        addAt(dx, i, at(dy, u) * at(weight, u * x.length + i));
      }
    }
    return dx;
  },
});

/** A stack as a vector, in the order map, row, column. */
export const flatten = eachSample<LayerSpec>({
  shape: (_spec, input) => ({ maps: sizeOf(input), height: 1, width: 1 }),
  forward: (_pass, x) => x.slice(),
  backward: (_pass, _x, _y, dy) => dy.slice(),
});
