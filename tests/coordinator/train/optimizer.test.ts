import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { OPTIMIZER_NAMES } from '#src/shared/engine/optimizers/registry.js';
import { compileKernel, instantiateKernel } from '#src/shared/engine/wasm/exports.js';
import { padded, SharedMemory } from '#src/shared/engine/wasm/memory.js';
import { NotFiniteError } from '#src/shared/util/errors.js';
import { at } from '../../support/reference/arrays.ts';
import { uniformStream } from '../../support/reference/random.ts';
import { BATCH, benchOf, randomize, referenceUpdate, update, vectorsOf } from '../../support/updates.ts';

/** Two complete blocks of the norm and a part of one, and not a multiple of a register. */
const PARAMETERS = 2 * 4096 + 1801;
const BLOCK = 4096;
/** Tolerance relative to the largest magnitude: ten updates of a few float32 roundings each. */
const TOLERANCE = 1e-6;
/** The smallest normal float32. */
const SMALLEST = 2 ** -126;

const kernel = instantiateKernel(compileKernel(), new SharedMemory().memory);

function assertNear(actual: Float32Array, expected: Float64Array, name: string): void {
  const scale = expected.reduce((largest, value) => Math.max(largest, Math.abs(value)), 0);
  for (let i = 0; i < expected.length; i++) {
    const error = Math.abs(at(actual, i) - at(expected, i));
    assert.ok(error <= TOLERANCE * scale, `${name}[${i}]: expected ${expected[i]}, got ${actual[i]}`);
  }
}

function bits(values: Float32Array): Uint32Array {
  return new Uint32Array(values.buffer, values.byteOffset, values.length).slice();
}

/** A vector with the padding after it, up to a complete register. */
function withPadding(values: Float32Array): Float32Array {
  return new Float32Array(values.buffer, values.byteOffset, padded(values.length));
}

const CASES: readonly Readonly<Record<string, unknown>>[] = [
  { optimizer: 'sgd', learningRate: 0.1, momentum: 0 },
  { optimizer: 'sgd', learningRate: 0.1, momentum: 0.9, weightDecay: 0.01, schedule: 'constant' },
  { optimizer: 'sgd', learningRate: 0.1, momentum: 0.5, weightDecay: 0.1, clipNorm: 3 },
  { optimizer: 'adam' },
  { optimizer: 'adam', schedule: '0:0.1,4:1,7:0.2', warmup: 0 },
  { optimizer: 'adam', weightDecay: 0.01, clipNorm: 3, beta1: 0.8, beta2: 0.99, epsilon: 1e-4 },
  { optimizer: 'adamw', weightDecay: 0.1, learningRate: 0.05 },
  { optimizer: 'adamw', clipNorm: 1e9, schedule: 'constant', beta1: 0, beta2: 0 },
];

describe('an update', () => {
  for (const flags of CASES) {
    const name = Object.entries(flags)
      .map(([key, value]) => (key === 'optimizer' ? value : `${key} ${value}`))
      .join(', ');

    it(`agrees with float64: ${name}`, () => {
      const bench = benchOf(flags, PARAMETERS);
      const uniform = uniformStream(1);
      for (let i = 0; i < PARAMETERS; i++) bench.state.values[i] = uniform();
      const state = {
        weights: Float64Array.from(bench.state.values),
        m: new Float64Array(PARAMETERS),
        v: new Float64Array(PARAMETERS),
      };
      for (let t = 0; t < 10; t++) {
        randomize(bench, t);
        const mean = Float64Array.from(bench.gradient, (sum) => sum / BATCH);
        const actual = update(bench, t);
        const expected = referenceUpdate(state, bench.config, t, mean);
        assert.ok(Math.abs(actual.gradientNorm / expected.gradientNorm - 1) < 1e-7);
        assert.ok(Math.abs(actual.learningRate / expected.learningRate - 1) < 1e-14);
        assertNear(bench.state.values, state.weights, 'weights');
        assertNear(bench.state.m, state.m, 'm');
        if (bench.state.v) assertNear(bench.state.v, state.v, 'v');
      }
    });
  }

  it('turns the sum into the mean and takes its norm', () => {
    const bench = benchOf({ optimizer: 'sgd', momentum: 0, learningRate: 1, warmup: 0 }, PARAMETERS);
    bench.gradient.set([3 * BATCH, 0, 0, -4 * BATCH], PARAMETERS - 4);
    assert.equal(update(bench, 0).gradientNorm, 5);
    assert.deepEqual([...bench.state.values.subarray(-4)], [-3, 0, 0, 4]);
  });

  it('clips a gradient above the norm and leaves one below as it is', () => {
    for (const [clipNorm, share] of [
      [2.5, 0.5],
      [5, 1],
      [10, 1],
      [0, 1],
    ] as const) {
      const bench = benchOf({ optimizer: 'sgd', momentum: 0, learningRate: 1, warmup: 0, clipNorm }, PARAMETERS);
      bench.gradient.set([3 * BATCH, 4 * BATCH]);
      assert.equal(update(bench, 0).gradientNorm, 5, 'the norm is reported as it was before');
      assert.deepEqual([...bench.state.values.subarray(0, 3)], [-3 * share, -4 * share, 0]);
    }
  });

  it("corrects the moments' bias: Adam's first update is the learning rate, whatever the gradient", () => {
    const bench = benchOf({ optimizer: 'adam', learningRate: 0.125, warmup: 0, epsilon: 1e-12 }, PARAMETERS);
    bench.gradient.set([BATCH * 1e-3, BATCH * -7, BATCH * 1e4]);
    update(bench, 0);
    for (const [i, expected] of [-0.125, 0.125, -0.125, 0].entries()) {
      assert.ok(Math.abs(at(bench.state.values, i) - expected) <= TOLERANCE * 0.125);
    }
  });
});

describe('the bias correction', () => {
  it('is 1 - beta^t', () => {
    for (const beta of [0, 0.5, 0.9, 0.999, 0.99999]) {
      for (const t of [1, 2, 3, 10, 1000, 10_000, 1_000_000]) {
        const error = kernel.biasCorrection(beta, t) / (1 - beta ** t) - 1;
        assert.ok(Math.abs(error) < 1e-11, `1 - ${beta}^${t}: off by ${error}`);
      }
    }
  });
});

describe('the learning rate', () => {
  const base = 0.003;

  it('rises linearly in the warm-up', () => {
    assert.deepEqual(
      [0, 1, 2, 3].map((t) => kernel.learningRate(1, 4, 100, true, t)),
      [0.25, 0.5, 0.75, 1],
    );
  });

  it('then falls along a cosine, from its highest to almost nothing at the last update', () => {
    for (const warmup of [0, 10]) {
      assert.equal(kernel.learningRate(base, warmup, 110, true, warmup), base);
      const middle = kernel.learningRate(base, warmup, 110, true, warmup + (110 - warmup) / 2);
      assert.ok(Math.abs(middle / base - 0.5) < 1e-15);
      const rates = Array.from({ length: 111 - warmup }, (_, i) =>
        kernel.learningRate(base, warmup, 110, true, warmup + i),
      );
      for (const [i, rate] of rates.entries()) assert.ok(i === 0 || rate < at(rates, i - 1), `falls at ${i}`);
      assert.equal(rates.at(-1), 0);
      assert.ok(at(rates, rates.length - 2) > 0);
    }
  });

  it('or stays', () => {
    for (const t of [4, 50, 99, 100]) assert.equal(kernel.learningRate(base, 4, 100, false, t), base);
  });

  it('warms up over the whole run if it must', () => {
    for (const cosine of [true, false]) assert.equal(kernel.learningRate(base, 100, 100, cosine, 99), base);
  });
});

describe('a step that is not finite', () => {
  for (const optimizer of OPTIMIZER_NAMES) {
    it(`leaves weights and moments as they are (${optimizer})`, () => {
      const { NaN: nan, POSITIVE_INFINITY: infinity } = Number;
      for (const [value, lossSum] of [
        [nan, 1],
        [infinity, 1],
        [-infinity, 1],
        [1, nan],
        [1, infinity],
      ] as const) {
        const bench = benchOf({ optimizer }, PARAMETERS);
        randomize(bench, 1);
        update(bench, 0);
        randomize(bench, 2);
        bench.gradient[PARAMETERS - 1] = value;
        const vectors = vectorsOf(bench.state);
        const before = vectors.map(bits);
        assert.throws(
          () => update(bench, 1, lossSum),
          (error) =>
            error instanceof NotFiniteError && error.step === 2 && /^Step 2: .* not applied/.test(error.message),
        );
        assert.deepEqual(vectors.map(bits), before);
      }
    });
  }

  it('is found wherever in the gradient it is', () => {
    for (const place of [0, BLOCK - 1, BLOCK, PARAMETERS - 2]) {
      const bench = benchOf({}, PARAMETERS);
      bench.gradient[place] = Number.NaN;
      assert.throws(() => update(bench, 0), NotFiniteError);
    }
  });
});

describe('tiny moments', () => {
  for (const [optimizer, flags] of [
    ['sgd', { momentum: 0.5 }],
    ['adam', { beta1: 0.5, beta2: 0.5 }],
    ['adamw', { beta1: 0.5, beta2: 0.5 }],
  ] as const) {
    it(`become zero and are never denormal (${optimizer})`, () => {
      const bench = benchOf({ optimizer, ...flags, iterations: 1000, learningRate: 1e-6 }, PARAMETERS);
      // Gradients from 1 down to denormals, once; then the moments decay towards zero.
      for (let i = 0; i < PARAMETERS; i++) bench.gradient[i] = BATCH * 2 ** -(i % 150);
      const moments = (): Float32Array[] => vectorsOf(bench.state).slice(1);
      update(bench, 0);
      const kept = moments().map((values) => values.filter((value) => value !== 0).length);
      for (const count of kept) assert.ok(count > PARAMETERS / 10 && count < PARAMETERS, `${count} were kept`);
      for (let t = 1; t < 130; t++) {
        bench.gradient.fill(0);
        update(bench, t);
        for (const values of moments()) assert.ok(values.every((value) => value === 0 || Math.abs(value) >= SMALLEST));
      }
      for (const values of moments()) assert.ok(values.every((value) => value === 0));
    });
  }
});

describe('vectors in memory', () => {
  for (const optimizer of OPTIMIZER_NAMES) {
    it(`keep the zeros after them (${optimizer})`, () => {
      for (const parameters of [1, 5, PARAMETERS]) {
        const bench = benchOf({ optimizer, clipNorm: 0.1, weightDecay: 0.1 }, parameters);
        for (let t = 0; t < 3; t++) {
          randomize(bench, t);
          update(bench, t);
        }
        for (const vector of [...vectorsOf(bench.state), ...vectorsOf(bench.next), bench.gradient]) {
          assert.ok(vector.some((value) => value !== 0));
          const padding = withPadding(vector).subarray(parameters);
          assert.ok(padding.length > 0 && padding.every((value) => value === 0));
        }
      }
    });
  }

  for (const flags of [{ optimizer: 'sgd' }, { optimizer: 'adam' }, { optimizer: 'adamw', clipNorm: 0.1 }]) {
    it(`may be cut into slices, in whatever order: norm and state have the same bits (${Object.values(flags)})`, () => {
      const results = [
        [0, 3],
        [0, 1, 2, 3],
        [0, 2, 3],
        [0, 0, 1, 3],
      ].map((edges) => {
        const bench = benchOf({ weightDecay: 0.1, ...flags }, PARAMETERS);
        const norms = [0, 1].map((t) => {
          randomize(bench, t);
          return update(bench, t, 1, edges).gradientNorm;
        });
        return { norms, state: vectorsOf(bench.state).map(bits) };
      });
      for (const result of results) assert.deepEqual(result, results[0]);
    });
  }

  it('may be applied again if a worker died in the middle', () => {
    const results = [1, 2].map((times) => {
      const bench = benchOf({ optimizer: 'adam' }, PARAMETERS);
      randomize(bench, 5);
      update(bench, 0, 1, times === 1 ? [0, 3] : [0, 2, 1, 3]);
      return vectorsOf(bench.state).map(bits);
    });
    assert.deepEqual(results[1], results[0]);
  });
});
