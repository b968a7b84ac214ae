import { PhiloxStream, PURPOSE } from '#src/shared/util/philox.js';
import { at } from '../arrays.ts';
import type { DropoutSpec, LayerSpec, LeakyReluSpec, RescaleSpec, ZeroPadSpec } from '../spec.ts';
import { eachSample, type Layer, type Pass, sizeOf } from './layer.ts';

/** y = f(x), value by value. */
function elementwise<S>(
  f: (x: number, spec: S) => number,
  /** The derivative at x, where y = f(x). */
  slope: (x: number, y: number, spec: S) => number,
): Layer<S> {
  return eachSample<S>({
    shape: (_spec, input) => input,
    forward: ({ spec }, x) => x.map((value) => f(value, spec)),
    backward: ({ spec }, x, y, dy) => dy.map((d, i) => d * slope(at(x, i), at(y, i), spec)),
  });
}

export const relu = elementwise<LayerSpec>(
  (x) => Math.max(x, 0),
  (x) => (x > 0 ? 1 : 0),
);

export const leakyRelu = elementwise<LeakyReluSpec>(
  (x, { slope }) => (x > 0 ? x : slope * x),
  (x, _y, { slope }) => (x > 0 ? 1 : slope),
);

export const tanh = elementwise<LayerSpec>(Math.tanh, (_x, y) => 1 - y * y);

export const sigmoid = elementwise<LayerSpec>(
  (x) => 1 / (1 + Math.exp(-x)),
  (_x, y) => y * (1 - y),
);

const AMPLITUDE = 1.7159;
const SLOPE = 2 / 3;

/** LeCun et al. 1998, appendix A: f(a) = A tanh(S a). */
export const scaledTanh = elementwise<LayerSpec>(
  (x) => AMPLITUDE * Math.tanh(SLOPE * x),
  (_x, y) => AMPLITUDE * SLOPE * (1 - (y / AMPLITUDE) ** 2),
);

export const rescale = elementwise<RescaleSpec>(
  (x, { scale, offset }) => x * scale + offset,
  (_x, _y, { scale }) => scale,
);

/** In training some values become 0 and the others grow, so that the mean stays; in evaluation nothing happens. */
export const dropout = eachSample<DropoutSpec>({
  shape: (_spec, input) => input,
  forward(pass, x, sample) {
    const factors = dropoutFactors(pass, sample);
    return x.map((value, i) => value * at(factors, i));
  },
  backward(pass, _x, _y, dy, sample) {
    const factors = dropoutFactors(pass, sample);
    return dy.map((d, i) => d * at(factors, i));
  },
});

/** Per value 0 or 1 / (1 - rate): the word of each value's place in the stream of (layer, position of the sample) decides. */
function dropoutFactors({ spec, place, outputShape, training, seed, positions }: Pass<DropoutSpec>, sample: number) {
  const factors = new Float64Array(sizeOf(outputShape)).fill(1);
  if (!training) return factors;
  const stream = new PhiloxStream(seed, PURPOSE.dropout + 256 * place);
  stream.seek(at(positions, sample));
  const kept = Math.fround(1 / (1 - spec.rate));
  return factors.map(() => (stream.next() < Math.floor(spec.rate * 2 ** 32) ? 0 : kept));
}

export const zeroPad = eachSample<ZeroPadSpec>({
  shape: ({ padding: [top, left, bottom, right] }, { maps, height, width }) => ({
    maps,
    height: top + height + bottom,
    width: left + width + right,
  }),
  forward(pass, x) {
    const y = new Float64Array(sizeOf(pass.outputShape));
    for (const [i, o] of paddedPlaces(pass).entries()) y[o] = at(x, i);
    return y;
  },
  backward: (pass, _x, _y, dy) => Float64Array.from(paddedPlaces(pass), (o) => at(dy, o)),
});

/** Where each value of the input lies in the output. */
function paddedPlaces({ spec, inputShapes, outputShape }: Pass<ZeroPadSpec>): number[] {
  const { maps, height, width } = at(inputShapes, 0);
  const [top, left] = spec.padding;
  const places: number[] = [];
  for (let map = 0; map < maps; map++) {
    for (let y = 0; y < height; y++) {
      for (let x = 0; x < width; x++) {
        places.push((map * outputShape.height + top + y) * outputShape.width + left + x);
      }
    }
  }
  return places;
}
