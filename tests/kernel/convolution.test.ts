// Convolutions and their gradients: bits against the written order in float32, values against float64.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { LANES } from '#src/shared/model/layers/emit.js';
import { type MapsInMemory, OperationRunner, pair, type Size, sameBits } from '../support/operations.ts';
import { at } from '../support/reference/arrays.ts';

const { fround } = Math;
const BLOCK = 4 * LANES;
const BORDER = 3;

interface Case {
  readonly inputs: number;
  readonly outputs: number;
  readonly kernel: readonly [number, number];
  readonly stride: readonly [number, number];
  readonly input: readonly [number, number];
  readonly output: readonly [number, number];
}

/** Odd and even counts of maps and positions, taps of every remainder by four, all strides. */
const CASES: readonly Case[] = [
  { inputs: 1, outputs: 1, kernel: [1, 1], stride: [1, 1], input: [1, 1], output: [1, 1] },
  { inputs: 3, outputs: 16, kernel: [3, 3], stride: [1, 1], input: [7, 9], output: [7, 9] },
  { inputs: 2, outputs: 5, kernel: [3, 2], stride: [2, 1], input: [9, 6], output: [5, 5] },
  { inputs: 5, outputs: 2, kernel: [1, 1], stride: [2, 2], input: [8, 8], output: [4, 4] },
  { inputs: 1, outputs: 7, kernel: [5, 5], stride: [1, 2], input: [6, 11], output: [5, 6] },
  { inputs: 7, outputs: 3, kernel: [3, 3], stride: [3, 3], input: [10, 13], output: [4, 5] },
  { inputs: 8, outputs: 8, kernel: [3, 3], stride: [1, 1], input: [8, 8], output: [8, 8] },
];

const runner = new OperationRunner();

function nameOf({ inputs, outputs, kernel, stride, output }: Case): string {
  return `${inputs} to ${outputs} maps, kernel ${kernel}, stride ${stride}, output ${output}`;
}

interface Layer extends Case {
  readonly x: MapsInMemory;
  readonly out: MapsInMemory;
  readonly row: number;
  readonly step: number;
  readonly offsets: Int32Array;
  readonly taps: number;
  /** [outputs][taps] */
  readonly weight: Float32Array;
  readonly packed: Float32Array;
  readonly bias: Float32Array;
}

function layerOf(shape: Case, seed: number): Layer {
  const { inputs, outputs, kernel, stride, input, output } = shape;
  const x = runner.randomMaps({ maps: inputs, height: input[0], width: input[1] }, seed, BORDER).clearBorder();
  const [, row, plane] = x.words;
  const offsets: number[] = [];
  // The first tap lies in the border, up and left.
  for (let map = 0; map < inputs; map++) {
    for (let y = 0; y < kernel[0]; y++)
      for (let column = 0; column < kernel[1]; column++) offsets.push(map * plane + y * row + column * BLOCK);
  }
  const taps = offsets.length;
  const weight = runner.randomFloats(outputs * taps, seed + 1);
  return {
    ...shape,
    x,
    out: runner.maps({ maps: outputs, height: output[0], width: output[1] }, 1),
    row: stride[0] * row,
    step: stride[1] * BLOCK,
    offsets: runner.ints(offsets),
    taps,
    weight,
    packed: runner.floats(pack(weight, outputs, taps)),
    bias: runner.randomFloats(outputs, seed + 2),
  };
}

/** [outputs][taps] to [outputs / width][taps][width]. */
function pack(weight: Float32Array, outputs: number, taps: number): number[] {
  const width = (runner.kernel.PACKED_MAPS as unknown as { value: number }).value;
  const packed: number[] = [];
  for (let o = 0; o < outputs; o += width) {
    for (let k = 0; k < taps; k++)
      for (let i = 0; i < width; i++) packed.push(o + i < outputs ? at(weight, (o + i) * taps + k) : 0);
  }
  return packed;
}

/** Where the first tap of output (0, 0) lies. */
function originOf({ x }: Layer): number {
  return x.pointer - x.words[1] - BLOCK;
}

function runConv(layer: Layer, { bias = true, flush = 0, taps = layer.taps } = {}): void {
  const { x: _, out, row, step, offsets, packed, outputs, output } = layer;
  runner.run(
    'conv',
    [
      originOf(layer),
      row,
      step,
      offsets.byteOffset,
      taps,
      packed.byteOffset,
      bias ? 0 : -1,
      outputs,
      output[0],
      output[1],
      out.pointer,
      out.words[1],
      BLOCK,
      out.words[2],
      flush,
    ],
    { weights: layer.bias },
  );
}

/** What tap k reads for an output. */
function read({ x, kernel, stride }: Layer, k: number, y: number, column: number, lane: number): number {
  const [height, width] = kernel;
  const map = Math.floor(k / (height * width));
  const [row, place] = [y * stride[0] - 1 + (Math.floor(k / width) % height), column * stride[1] - 1 + (k % width)];
  const inside = row >= 0 && row < x.size.height && place >= 0 && place < x.size.width;
  return inside ? x.get(map, row, place, lane) : 0;
}

describe('conv', () => {
  for (const [seed, shape] of CASES.entries()) {
    it(`has the bits of bias, then taps ascending: ${nameOf(shape)}`, () => {
      const layer = layerOf(shape, 10 * seed);
      for (const bias of [true, false]) {
        runConv(layer, { bias });
        layer.out.each((o, y, x, lane) => {
          let sum = bias ? at(layer.bias, o) : 0;
          let exact = sum;
          for (let k = 0; k < layer.taps; k++) {
            const [w, value] = [at(layer.weight, o * layer.taps + k), read(layer, k, y, x, lane)];
            sum = fround(sum + fround(w * value));
            exact += w * value;
          }
          assert.equal(layer.out.get(o, y, x, lane), sum);
          assert.ok(Math.abs(sum - exact) < 1e-6 * (1 + layer.taps));
        });
        assert.ok(layer.out.borderIsUntouched);
      }
    });
  }

  it('without taps is the bias, or 0', () => {
    for (const outputs of [1, 2, 3]) {
      const layer = layerOf({ ...(CASES[1] as Case), outputs }, 77);
      runConv(layer, { taps: 0 });
      layer.out.each((o, ...place) => assert.equal(layer.out.get(o, ...place), at(layer.bias, o)));
      runConv(layer, { taps: 0, bias: false });
      assert.ok(layer.out.values().every((value) => Object.is(value, 0)));
    }
  });

  it('flushes what is below 2^-60 if told to', () => {
    for (const outputs of [1, 2, 3]) {
      const layer = layerOf({ ...(CASES[1] as Case), outputs }, 78);
      layer.x.fill((_, y) => (y % 2 === 0 ? 2 ** -61 : 2 ** -40)).clearBorder();
      layer.packed.fill(0);
      for (let i = 0; i < layer.packed.length; i += 9 * 3 * 2) layer.packed.fill(-0.5, i, i + 2);
      runConv(layer, { bias: false });
      const before = layer.out.values();
      assert.ok(before.some((value) => value !== 0 && Math.abs(value) < 2 ** -60));
      runConv(layer, { bias: false, flush: 1 });
      const expected = before.map((value) => (Math.abs(value) < 2 ** -60 ? 0 : value));
      assert.deepEqual(
        [...layer.out.values()].map((value) => value + 0),
        [...expected],
      );
      assert.ok(expected.some((value) => value !== 0));
    }
  });

  it('lets NaN and infinities through', () => {
    const layer = layerOf(CASES[1] as Case, 79);
    layer.x.set(1, 3, 4, 5, Number.NaN);
    layer.x.set(1, 3, 4, 6, Number.POSITIVE_INFINITY);
    for (const flush of [0, 1]) {
      runConv(layer, { flush });
      layer.out.each((o, y, x, lane) => {
        const touched = Math.abs(y - 3) <= 1 && Math.abs(x - 4) <= 1;
        const value = layer.out.get(o, y, x, lane);
        assert.equal(Number.isNaN(value), touched && lane === 5);
        assert.equal(Math.abs(value) === Number.POSITIVE_INFINITY, touched && lane === 6);
      });
    }
  });

  it('scatters what it writes by the steps given, as a phase of an input gradient does', () => {
    const layer = layerOf(CASES[1] as Case, 80);
    runConv(layer);
    const { width } = layer.out.size;
    const twice: Size = { maps: layer.outputs, height: 2 * layer.output[0], width: 2 * width };
    const out = runner.maps(twice, 1).fill(() => 9);
    runner.run(
      'conv',
      [
        originOf(layer),
        layer.row,
        layer.step,
        layer.offsets.byteOffset,
        layer.taps,
        layer.packed.byteOffset,
        0,
        layer.outputs,
        layer.output[0],
        width,
        out.pointer + out.words[1],
        2 * out.words[1],
        2 * BLOCK,
        out.words[2],
        0,
      ],
      { weights: layer.bias },
    );
    out.each((o, y, x, lane) => {
      const written = y % 2 === 1 && x % 2 === 0;
      assert.equal(out.get(o, y, x, lane), written ? layer.out.get(o, (y - 1) / 2, x / 2, lane) : 9);
    });
  });
});

/** Low and high lanes apart over positions, in order or `byRows`, low + high, then (0 + 2) + (1 + 3). */
function sumOf(size: Size, value: (y: number, x: number, lane: number) => number, byRows = false): number {
  const lanes = new Float32Array(LANES);
  for (let y = 0; y < size.height; y++) {
    const row = byRows ? new Float32Array(LANES) : lanes;
    for (let x = 0; x < size.width; x++) {
      for (let lane = 0; lane < LANES; lane++) row[lane] = at(row, lane) + fround(value(y, x, lane));
    }
    if (byRows) for (let lane = 0; lane < LANES; lane++) lanes[lane] = at(lanes, lane) + at(row, lane);
  }
  const [a = 0, b = 0, c = 0, d = 0] = [0, 1, 2, 3].map((lane) => fround(at(lanes, lane) + at(lanes, lane + 4)));
  return fround(fround(a + c) + fround(b + d));
}

describe('convWeightGradient', () => {
  for (const [seed, shape] of CASES.entries()) {
    it(`has the bits of the written order: ${nameOf(shape)}`, () => {
      const layer = layerOf(shape, 10 * seed);
      const { outputs, taps, output } = layer;
      const d = runner.randomMaps(layer.out.size, 500 + seed, 2);
      const expected = Float32Array.from({ length: outputs * taps }, (_, i) => {
        const [o, k] = [Math.floor(i / taps), i % taps];
        return sumOf(d.size, (y, x, lane) => d.get(o, y, x, lane) * read(layer, k, y, x, lane));
      });
      const gradient = runner.randomFloats(outputs * taps + 2, 600 + seed);
      const before = gradient.slice();
      const values = [
        originOf(layer),
        layer.row,
        layer.step,
        layer.offsets.byteOffset,
        taps,
        d.pointer,
        d.words[1],
        d.words[2],
        outputs,
        output[0],
        output[1],
        4,
      ];
      runner.run('convWeightGradient', values, { gradient });
      assert.ok(sameBits(gradient.subarray(1, -1), expected));
      runner.run('convWeightGradient', values, { gradient, accumulate: true });
      assert.ok(
        sameBits(
          gradient.subarray(1, -1),
          expected.map((value) => value + value),
        ),
      );
      assert.deepEqual([gradient[0], gradient.at(-1)], [before[0], before.at(-1)]);
    });
  }
});

describe('biasGradient', () => {
  it('has the bits of the written order', () => {
    for (const [seed, { output, outputs }] of CASES.entries()) {
      const size = { maps: outputs, height: output[0], width: output[1] };
      const d = runner.randomMaps(size, seed, 1);
      const expected = Float32Array.from({ length: outputs }, (_, o) =>
        sumOf(size, (y, x, lane) => d.get(o, y, x, lane), true),
      );
      const gradient = runner.randomFloats(outputs + 1, seed);
      const [first] = gradient;
      runner.run('biasGradient', [d, outputs, pair(size.height, size.width), 4], { gradient });
      assert.ok(sameBits(gradient.subarray(1), expected));
      runner.run('biasGradient', [d, outputs, pair(size.height, size.width), 4], { gradient, accumulate: true });
      assert.ok(
        sameBits(
          gradient.subarray(1),
          expected.map((value) => value + value),
        ),
      );
      assert.equal(gradient[0], first);
    }
  });
});

describe('packWeights', () => {
  it('interleaves the weights of two maps by taps, with 0 for a map that is missing', () => {
    const weights = runner.floats([9, 10, 11, 12, 13, 14, 15]);
    const out = runner.floats(new Array(9).fill(7));
    const taps = runner.ints([8, 0]);
    runner.run('packWeights', [4, 3, 2, 4, taps.byteOffset, out.byteOffset], { weights });
    assert.deepEqual([...out], [12, 13, 10, 11, 14, 0, 12, 0, 7]);
  });
});
