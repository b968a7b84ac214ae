// Dense layers through the interpreter: bits against the written orders in float32.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { OperationRunner, sameBits } from '../support/operations.ts';
import { at } from '../support/reference/arrays.ts';

const { fround } = Math;
const LANES = 8;
const [LINEAR, RELU] = [0, 1];
const TINY = 2 ** -60;

/** Of every remainder by the tiles' sizes. */
const SIZES: readonly (readonly [inputs: number, outputs: number])[] = [
  [1, 1],
  [7, 5],
  [33, 10],
  [16, 6],
  [50, 19],
];

const runner = new OperationRunner();

describe('denseForward', () => {
  for (const [inputs, outputs] of SIZES) {
    it(`has the bits of bias, then inputs ascending: ${inputs} to ${outputs}`, () => {
      const weights = runner.randomFloats(outputs * inputs + outputs, 1);
      const x = runner.randomFloats(inputs * LANES, 2);
      const out = runner.memory.float32(outputs * LANES);
      for (const bias of [4 * outputs * inputs, -1]) {
        for (const activation of [LINEAR, RELU]) {
          const values = [0, bias, x.byteOffset, inputs, outputs, activation, out.byteOffset];
          runner.run('denseForward', values, { weights });
          const expected = Float32Array.from({ length: outputs * LANES }, (_, i) => {
            const [o, lane] = [Math.floor(i / LANES), i % LANES];
            let sum = bias < 0 ? 0 : at(weights, outputs * inputs + o);
            for (let k = 0; k < inputs; k++)
              sum = fround(sum + fround(at(weights, o * inputs + k) * at(x, k * LANES + lane)));
            return activation === RELU && sum <= 0 ? 0 : sum;
          });
          assert.ok(sameBits(out, expected));
        }
      }
    });
  }
});

describe('denseInputGradient', () => {
  for (const [inputs, outputs] of SIZES) {
    it(`has the bits of outputs ascending, masked and flushed: ${inputs} to ${outputs}`, () => {
      const weights = runner.randomFloats(outputs * inputs, 1);
      const x = runner.randomFloats(inputs * LANES, 2);
      const d = runner.randomFloats(outputs * LANES, 3);
      for (let o = 0; o < outputs; o++) d[o * LANES + 3] = at(d, o * LANES + 3) * TINY;
      const out = runner.memory.float32(inputs * LANES);
      for (const activation of [LINEAR, RELU]) {
        const values = [0, d.byteOffset, x.byteOffset, inputs, outputs, activation, out.byteOffset];
        runner.run('denseInputGradient', values, { weights });
        const expected = Float32Array.from({ length: inputs * LANES }, (_, i) => {
          const [k, lane] = [Math.floor(i / LANES), i % LANES];
          let sum = 0;
          for (let o = 0; o < outputs; o++)
            sum = fround(sum + fround(at(weights, o * inputs + k) * at(d, o * LANES + lane)));
          return (activation === RELU && at(x, i) <= 0) || Math.abs(sum) < TINY ? 0 : sum;
        });
        assert.ok(sameBits(out, expected));
      }
    });
  }
});

function rowOf(features: number): number {
  return Math.ceil(features / 16) * 16;
}

/** The reduction tree's sum: halves at the largest power of two. */
function treeSum(values: readonly number[]): number {
  if (values.length === 1) return at(values, 0);
  let half = 1;
  while (2 * half < values.length) half *= 2;
  return fround(treeSum(values.slice(0, half)) + treeSum(values.slice(half)));
}

describe('denseWeightGradient', () => {
  for (const [inputs, outputs] of SIZES) {
    for (const [shards, blocks, gap] of [
      [1, 1, 0],
      [3, 2, 64],
      [5, 1, 0],
      [8, 1, 64],
    ] as const) {
      it(`has the bits of samples in order, then the tree: ${inputs} to ${outputs}, ${shards} shards of ${blocks} blocks`, () => {
        const bytes = (features: number): number => 4 * LANES * rowOf(features) + gap;
        const keptX = runner.memory.bytes(shards * blocks * bytes(inputs));
        const keptD = runner.memory.bytes(shards * blocks * bytes(outputs));
        // [shard][sample][feature]
        const [xs, ds] = [[] as Float32Array[], [] as Float32Array[]];
        for (let kept = 0; kept < shards * blocks; kept++) {
          const [x, d] = [runner.randomFloats(inputs * LANES, kept), runner.randomFloats(outputs * LANES, kept + 99)];
          runner.run('transpose', [x.byteOffset, inputs, keptX.byteOffset, bytes(inputs)], { kept });
          runner.run('transpose', [d.byteOffset, outputs, keptD.byteOffset, bytes(outputs)], { kept });
          xs.push(x);
          ds.push(d);
        }
        const sum = (value: (kept: number, lane: number) => number): number =>
          treeSum(
            Array.from({ length: shards }, (_, shard) => {
              let total = 0;
              for (let s = 0; s < blocks * LANES; s++)
                total = fround(total + fround(value(shard * blocks + Math.floor(s / LANES), s % LANES)));
              return total;
            }),
          );
        const delta = (o: number, kept: number, lane: number): number => at(ds[kept] as Float32Array, o * LANES + lane);
        const expected = Float32Array.from({ length: outputs * inputs + outputs }, (_, i) => {
          if (i >= outputs * inputs) return sum((kept, lane) => delta(i - outputs * inputs, kept, lane));
          const [o, k] = [Math.floor(i / inputs), i % inputs];
          return sum((kept, lane) => delta(o, kept, lane) * at(xs[kept] as Float32Array, k * LANES + lane));
        });
        const gradient = runner.floats(new Array(outputs * inputs + outputs + 1).fill(9));
        const strides = [bytes(outputs), bytes(inputs)];
        const stack = runner.memory.float32(4 * 2 * 64);
        const common = [keptD.byteOffset, keptX.byteOffset, blocks * LANES, inputs, outputs, 0];
        runner.run('denseWeightGradient', [...common, -1, stack.byteOffset, ...strides], { gradient, count: shards });
        assert.ok(sameBits(gradient.subarray(0, outputs * inputs), expected.subarray(0, outputs * inputs)));
        assert.ok(gradient.subarray(outputs * inputs).every((value) => value === 9));
        const bias = 4 * outputs * inputs;
        runner.run('denseWeightGradient', [...common, bias, stack.byteOffset, ...strides], { gradient, count: shards });
        assert.ok(sameBits(gradient.subarray(0, -1), expected));
        assert.equal(gradient.at(-1), 9);
      });
    }
  }
});
