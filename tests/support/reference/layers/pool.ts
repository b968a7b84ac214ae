import { addAt, at } from '../arrays.ts';
import type { LayerSpec, PoolSpec, Shape } from '../spec.ts';
import { eachSample, mapOf, type Values } from './layer.ts';
import { forEachPosition, type Windows, windowCounts } from './windows.ts';

/** For each output [maps][height][width], the places in the input that its window covers, in order; padding is left out. */
export function windowPlaces(windows: Windows, input: Shape): number[][] {
  const [height, width] = windowCounts(windows, input);
  const places: number[][] = Array.from({ length: input.maps * height * width }, () => []);
  for (let map = 0; map < input.maps; map++) {
    forEachPosition(windows, input, (o, _tap, i) => {
      places[map * height * width + o]?.push(map * input.height * input.width + i);
    });
  }
  return places;
}

/** The windows of a pooling layer, which don't overlap unless its stride says so. */
export function windowsOf({ size, stride = size, padding }: PoolSpec): Windows {
  return { size, stride, padding };
}

function pooledShape(spec: PoolSpec, input: Shape): Shape {
  const [height, width] = windowCounts(windowsOf(spec), input);
  return { maps: input.maps, height, width };
}

/** The place of the largest value, the first among equals. */
function largest(x: Values, window: readonly number[]): number {
  let best = at(window, 0);
  for (const i of window) if (at(x, i) > at(x, best)) best = i;
  return best;
}

export const maxPool = eachSample<PoolSpec>({
  shape: pooledShape,
  forward: ({ spec, inputShapes }, x) =>
    Float64Array.from(windowPlaces(windowsOf(spec), at(inputShapes, 0)), (window) => at(x, largest(x, window))),
  backward({ spec, inputShapes }, x, _y, dy) {
    const dx = new Float64Array(x.length);
    for (const [o, window] of windowPlaces(windowsOf(spec), at(inputShapes, 0)).entries()) {
      addAt(dx, largest(x, window), at(dy, o));
    }
    return dx;
  },
});

/** The mean over the positions of a window that lie on the input. */
export const averagePool = eachSample<PoolSpec>({
  shape: pooledShape,
  forward: ({ spec, inputShapes }, x) =>
    Float64Array.from(windowPlaces(windowsOf(spec), at(inputShapes, 0)), (window) => sumOf(x, window) / window.length),
  backward({ spec, inputShapes }, x, _y, dy) {
    const dx = new Float64Array(x.length);
    for (const [o, window] of windowPlaces(windowsOf(spec), at(inputShapes, 0)).entries()) {
      for (const i of window) addAt(dx, i, at(dy, o) / window.length);
    }
    return dx;
  },
});

/** The mean of each map. */
export const globalAveragePool = eachSample<LayerSpec>({
  shape: (_spec, { maps }) => ({ maps, height: 1, width: 1 }),
  forward({ inputShapes }, x) {
    const input = at(inputShapes, 0);
    const y = new Float64Array(input.maps);
    for (let i = 0; i < x.length; i++) addAt(y, mapOf(i, input), at(x, i) / (input.height * input.width));
    return y;
  },
  backward({ inputShapes }, x, _y, dy) {
    const input = at(inputShapes, 0);
    return x.map((_, i) => at(dy, mapOf(i, input)) / (input.height * input.width));
  },
});

const QUARTERS: Windows = { size: [2, 2], stride: [2, 2], padding: 'valid' };

/** LeCun et al. 1998: the sum of each 2x2 square times the map's coefficient, plus its bias. */
export const subsample = eachSample<LayerSpec>({
  shape: (_spec, { maps, height, width }) => ({ maps, height: height / 2, width: width / 2 }),
  tensors: (_spec, { maps }) => [
    { part: 'coefficient', shape: [maps] },
    { part: 'bias', shape: [maps] },
  ],
  forward(pass, x) {
    const [coefficient, bias] = [pass.parameter('coefficient'), pass.parameter('bias')];
    return Float64Array.from(windowPlaces(QUARTERS, at(pass.inputShapes, 0)), (window, o) => {
      const map = mapOf(o, pass.outputShape);
      return at(coefficient, map) * sumOf(x, window) + at(bias, map);
    });
  },
  backward(pass, x, _y, dy) {
    const coefficient = pass.parameter('coefficient');
    const [coefficientGradient, biasGradient] = [pass.gradient('coefficient'), pass.gradient('bias')];
    const dx = new Float64Array(x.length);
    for (const [o, window] of windowPlaces(QUARTERS, at(pass.inputShapes, 0)).entries()) {
      const map = mapOf(o, pass.outputShape);
      addAt(coefficientGradient, map, at(dy, o) * sumOf(x, window));
      addAt(biasGradient, map, at(dy, o));
      for (const i of window) addAt(dx, i, at(dy, o) * at(coefficient, map));
    }
    return dx;
  },
});

function sumOf(x: Values, places: readonly number[]): number {
  return places.reduce((sum, i) => sum + at(x, i), 0);
}
