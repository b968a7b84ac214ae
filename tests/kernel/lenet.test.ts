// LeNet-5's fused operations do through the interpreter what the kernel's functions do.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { OperationName } from '#src/shared/engine/operations.js';
import { LANES } from '#src/shared/model/layers/emit.js';
import { OperationRunner } from '../support/operations.ts';

const runner = new OperationRunner();
const { kernel } = runner;
const [MAPS, SIDE, SIZE] = [3, 8, 5];
const TAPS = SIZE * SIZE;
/** Rows and columns of the fused convolution's output, and of its box sums. */
const [OUTPUT, SUMS] = [2, SIDE - 1];

const starts = runner.ints([0, 1, 3, 4]);
const inputs = runner.ints([0, 0, 1, 1]);
/** By input map: byte offsets of the kernel's weights and of its output map. */
const feeds = runner.ints(
  [0, 0, 4 * TAPS, 1, 8 * TAPS, 1, 12 * TAPS, 2].map((v, i) => (i % 2 === 0 ? v : v * OUTPUT * OUTPUT * 32)),
);
const feedStarts = runner.ints([0, 2, 4]);
const weights = runner.randomFloats(4 * TAPS + 3 * MAPS, 1);
const [bias, coefficient, subsampleBias] = [0, 1, 2].map((k) => 4 * (4 * TAPS + k * MAPS)) as [number, number, number];
const x = runner.randomFloats(2 * SIDE * SIDE * LANES, 2);
const d = runner.randomFloats(2 * (SIDE + 1) * (SIDE + 1) * LANES, 3);
const [row, plane] = [SUMS * 32, SUMS * SUMS * 32];
const samples = runner.memory.bytes(9 * 16 * 16);
samples.forEach((_, i) => {
  samples[i] = (i * 7919) % 251;
});
const indices = runner.ints([4, 0, 8, 1, 1, 7, 2, 3]);
const shifts = runner.memory.bytes(16);
shifts.set([1, 255, 0, 2, 254, 1]);
const scratch = runner.memory.bytes(LANES * (21 * 32 + 2 * 20 * 32) + 16);
const out = runner.memory.float32(20 * 32 * LANES);
const second = runner.memory.float32(4 * TAPS);
const gradient = runner.memory.float32(weights.length);
const w = weights.byteOffset;
const g = gradient.byteOffset;

/** Pointers of what the operations read; offsets in the weights or the gradient stay offsets. */
const p = { x, d, starts, inputs, feeds, feedStarts, indices, shifts, scratch, out, second };
const at = Object.fromEntries(Object.entries(p).map(([name, { byteOffset }]) => [name, byteOffset])) as Record<
  keyof typeof p,
  number
>;

type Numbers = number[];

const CASES: readonly (readonly [OperationName, Numbers, () => void])[] = [
  [
    'decodeBoxSums',
    [at.indices, at.shifts, 16, 16, 2, 32, 20, at.scratch, at.out],
    () => kernel.decode(samples.byteOffset, at.indices, at.shifts, 5, 16, 16, 2, 32, 20, at.scratch, at.out),
  ],
  ['boxSum', [at.x, 2, SIDE, SIDE, at.out], () => kernel.boxSum(at.x, 2, SIDE, SIDE, at.out)],
  [
    'boxSumBackward',
    [at.d, at.x, 2, SIDE, SIDE, at.out],
    () => kernel.boxSumBackward(at.d, at.x, 2, SIDE, SIDE, at.out),
  ],
  [
    'foldSubsample',
    [0, bias, coefficient, subsampleBias, at.starts, TAPS, MAPS, at.out, at.second],
    () =>
      kernel.foldSubsample(w, w + bias, w + coefficient, w + subsampleBias, at.starts, TAPS, MAPS, at.out, at.second),
  ],
  [
    'subsampledConv',
    [at.x, plane, row, at.starts, at.inputs, w, w + bias, SIZE, MAPS, OUTPUT, OUTPUT, at.out],
    () => kernel.convForward(at.x, plane, row, at.starts, at.inputs, w, w + bias, SIZE, MAPS, OUTPUT, OUTPUT, at.out),
  ],
  [
    'subsampledConvWeightGradient',
    [at.x, plane, row, at.starts, at.inputs, at.d, SIZE, MAPS, OUTPUT, OUTPUT, at.out, at.second],
    () =>
      kernel.convWeightGradient(
        at.x,
        plane,
        row,
        at.starts,
        at.inputs,
        at.d,
        SIZE,
        MAPS,
        OUTPUT,
        OUTPUT,
        at.out,
        at.second,
      ),
  ],
  [
    'unfoldGradient',
    [0, bias, coefficient, at.starts, TAPS, MAPS, at.x, at.d, 0, bias, coefficient, subsampleBias],
    () =>
      kernel.unfoldGradient(
        w,
        w + bias,
        w + coefficient,
        at.starts,
        TAPS,
        MAPS,
        at.x,
        at.d,
        g,
        g + bias,
        g + coefficient,
        g + subsampleBias,
        true,
      ),
  ],
  [
    'subsampledConvInputGradient',
    [at.d, w, at.feeds, at.feedStarts, SIZE, 2, OUTPUT, OUTPUT, at.out, plane, row],
    () => kernel.convInputGradient(at.d, w, at.feeds, at.feedStarts, SIZE, 2, OUTPUT, OUTPUT, at.out, plane, row),
  ],
];

/** What an operation leaves, from the same beginning. */
function written(act: () => void): Float32Array[] {
  const targets = [out, second, gradient];
  for (const target of targets) target.fill(0.25);
  act();
  return targets.map((target) => target.slice());
}

for (const [name, values, direct] of CASES) {
  describe(name, () => {
    it('is the function of the kernel', () => {
      const expected = written(direct);
      const actual = written(() =>
        runner.run(name, values, { weights, gradient, samples, count: 5, accumulate: true }),
      );
      assert.ok(expected.some((target) => target.some((value) => value !== 0.25)));
      assert.deepEqual(actual, expected);
    });
  });
}
