// The kernel and native TensorFlow against each other, on any Node: node dist/tests/shared/engine/tfjs/gradient.long.test.js
// EXPECT_NODE_MAJOR makes sure that it ran where it was meant to.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { SampleBatch } from '#src/shared/engine/backend.js';
import type { Tfjs } from '#src/shared/engine/tfjs/api.js';
import { TfjsBackend } from '#src/shared/engine/tfjs/backend.js';
import { loadTfjs } from '#src/shared/engine/tfjs/load.js';
import { KernelBackend } from '#src/shared/engine/wasm/backend.js';
import { compileKernel, instantiateKernel } from '#src/shared/engine/wasm/exports.js';
import { SharedMemory } from '#src/shared/engine/wasm/memory.js';
import { planKernel } from '#src/shared/engine/wasm/plan.js';
import { layoutOf, type ModelLayout } from '#src/shared/model/layout.js';
import { lenet5 } from '#src/shared/model/lenet5.js';
import { realImages, skip as skipImages } from '../../../support/real-images.ts';
import { compareTensors } from '../../../support/reference/compare.ts';
import { randomSamples, randomShift, randomWeights, uniformStream } from '../../../support/reference/random.ts';
import { skipTfjs } from './available.ts';

/** Of each tensor's largest gradient, and of the loss. */
const TOLERANCE = 1e-5;
const SHARD_SIZES = [1, 5, 8, 32];
const MADE_SAMPLES = 64;
const STEPS = 1000;

// At random weights distances are 80 to 95: at j = 0.1 e^-j drowns the rivals' e^-y, at j = 83 both count.
const MODELS = [
  ['softmax', lenet5('softmax', 0)],
  ['RBF, j = 0.1', lenet5('rbf', 0.1)],
  ['RBF, j = 83', lenet5('rbf', 83)],
] as const;

type Images = Pick<SampleBatch, 'images' | 'labels'>;

it('runs where it was meant to', () => {
  const { EXPECT_NODE_MAJOR } = process.env;
  if (EXPECT_NODE_MAJOR) assert.match(process.version, new RegExp(`^v${EXPECT_NODE_MAJOR}\\.`));
});

describe('kernel and tfjs', { skip: skipTfjs }, () => {
  const tf = skipTfjs === false ? loadTfjs() : undefined;
  for (const [name, spec] of MODELS) {
    const layout = layoutOf(spec);
    for (const size of SHARD_SIZES) {
      it(`agree on made images (${name}, a shard of ${size})`, () => {
        assertAgree(new Pair(tf, layout, madeImages(layout)), size);
      });
      it(`agree on real images (${name}, a shard of ${size})`, { skip: skipImages }, () => {
        assert.ok(realImages);
        assertAgree(new Pair(tf, layout, realImages.test), size);
      });
    }
  }
});

describe('tfjs', { skip: skipTfjs }, () => {
  const tf = skipTfjs === false ? loadTfjs() : undefined;
  const layout = layoutOf(lenet5('softmax', 0));

  it(`holds as many tensors after ${STEPS} steps as after 10`, () => {
    assert.ok(tf);
    const pair = new Pair(tf, layout, madeImages(layout));
    const shard = pair.shard(1);
    const counts: number[] = [];
    for (let step = 1; step <= STEPS; step++) {
      pair.tfjs.setWeights(pair.weights);
      pair.tfjs.gradient(shard, 1, pair.gradient);
      if (step % 100 === 0) pair.tfjs.evaluate(shard, new Uint8Array(1));
      if (step === 10 || step === STEPS) counts.push(tf.memory().numTensors);
    }
    assert.equal(counts[1], counts[0]);
  });

  it('gives a shard the same bits again, whatever came between', () => {
    const pair = new Pair(tf, layout, madeImages(layout));
    const shard = pair.shard(5);
    const first = gradientOf(pair.tfjs, pair, shard);
    gradientOf(pair.tfjs, pair, pair.shard(32));
    assert.deepEqual(gradientOf(pair.tfjs, pair, shard), first);
  });
});

/** Both backends with the same random weights. */
class Pair {
  readonly layout: ModelLayout;
  readonly kernel: KernelBackend;
  readonly tfjs: TfjsBackend;
  readonly weights: Float32Array;
  readonly gradient: Float32Array;
  readonly #images: Images;

  constructor(tf: Tfjs | undefined, layout: ModelLayout, { images, labels }: Images) {
    assert.ok(tf);
    const memory = new SharedMemory();
    this.layout = layout;
    this.#images = { images: memory.hold(images), labels: memory.hold(labels) };
    this.weights = memory.parameters(layout.parameters);
    this.weights.set(randomWeights(layout, 22));
    this.gradient = memory.parameters(layout.parameters);
    const plan = planKernel(layout, Math.max(...SHARD_SIZES), memory);
    this.kernel = new KernelBackend(instantiateKernel(compileKernel(), memory.memory), plan, memory.memory);
    this.tfjs = new TfjsBackend(tf, layout);
    this.kernel.setWeights(this.weights);
    this.tfjs.setWeights(this.weights);
  }

  /** Samples spread over the images, under varied shifts. */
  shard(size: number): SampleBatch {
    const uniform = uniformStream(size);
    const count = this.#images.labels.length;
    const indices = Int32Array.from({ length: size }, (_, i) => (17 * size + 997 * i) % count);
    const shifts = Int8Array.from({ length: 2 * size }, () => randomShift(this.layout, uniform));
    return { ...this.#images, indices, shifts };
  }
}

function madeImages(layout: ModelLayout): Images {
  const samples = randomSamples(layout, 21, MADE_SAMPLES);
  const images = Uint8Array.from(samples.flatMap(({ image }) => [...image]));
  return { images, labels: Uint8Array.from(samples, ({ label }) => label) };
}

function gradientOf(backend: KernelBackend | TfjsBackend, { gradient }: Pair, shard: SampleBatch) {
  gradient.fill(Number.NaN); // must be written over, not added to
  const loss = backend.gradient(shard, 1, gradient);
  return { ...loss, gradient: gradient.slice() };
}

function assertAgree(pair: Pair, size: number): void {
  const shard = pair.shard(size);
  const kernel = gradientOf(pair.kernel, pair, shard);
  const tfjs = gradientOf(pair.tfjs, pair, shard);
  for (const { name, relative, scale } of compareTensors(pair.layout, kernel.gradient, tfjs.gradient)) {
    assert.ok(scale > 0, `${name} has no gradient to compare`);
    assert.ok(relative <= TOLERANCE, `${name}: off by ${relative} of its largest gradient, ${scale}`);
  }
  const predictions = [new Uint8Array(size), new Uint8Array(size)] as const;
  const evaluated = [pair.kernel.evaluate(shard, predictions[0]), pair.tfjs.evaluate(shard, predictions[1])];
  assert.deepEqual(predictions[1], predictions[0]);
  for (const { lossSum, correct } of [tfjs, ...evaluated]) {
    assert.equal(correct, kernel.correct);
    const error = Math.abs(lossSum - kernel.lossSum) / kernel.lossSum;
    assert.ok(error <= TOLERANCE, `loss: expected ${kernel.lossSum}, got ${lossSum}`);
  }
}
