// The kernel and native TensorFlow against each other, on any Node: node dist/tests/shared/engine/tfjs/gradient.long.test.js
// EXPECT_NODE_MAJOR makes sure that it ran where it was meant to.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { SampleBatch } from '#src/shared/engine/backend.js';
import { planProgram } from '#src/shared/engine/program/planner.js';
import type { Tfjs } from '#src/shared/engine/tfjs/api.js';
import { TfjsBackend } from '#src/shared/engine/tfjs/backend.js';
import { loadTfjs } from '#src/shared/engine/tfjs/load.js';
import { KernelBackend } from '#src/shared/engine/wasm/backend.js';
import { compileKernel, instantiateKernel } from '#src/shared/engine/wasm/exports.js';
import { SharedMemory } from '#src/shared/engine/wasm/memory.js';
import { layoutOf, type ModelLayout } from '#src/shared/model/layout.js';
import { MODELS as LENETS } from '../../../support/kernel.ts';
import { lenet5, specFrom } from '../../../support/models.ts';
import { realImages, skip as skipImages } from '../../../support/real-images.ts';
import { compareTensors } from '../../../support/reference/compare.ts';
import { randomSamples, randomShift, randomWeights, uniformStream } from '../../../support/reference/random.ts';
import { skipTfjs } from './available.ts';

/** Of each tensor's largest gradient, and of the loss. */
const TOLERANCE = 1e-5;
const SHARD_SIZES = [1, 5, 8, 32];
const MADE_SAMPLES = 64;
const STEPS = 1000;

// What training does otherwise than evaluation.
const TRAINING = specFrom([
  { kind: 'conv', maps: 6, kernel: 5, stride: 2, bias: false },
  { kind: 'batch-norm' },
  { kind: 'tanh' },
  { kind: 'dropout', rate: 0.25 },
  { kind: 'dense', units: 10 },
]);

const LAYOUTS: readonly (readonly [name: string, layout: ModelLayout])[] = [
  ...LENETS.map(([name, spec]) => [name, layoutOf(spec)] as const),
  ['batch norm and dropout', layoutOf(TRAINING)],
  ['a frozen batch norm', layoutOf(TRAINING, ['batch-norm2'])],
];

type Images = Pick<SampleBatch, 'inputs' | 'targets'>;

it('runs where it was meant to', () => {
  const { EXPECT_NODE_MAJOR } = process.env;
  if (EXPECT_NODE_MAJOR) assert.match(process.version, new RegExp(`^v${EXPECT_NODE_MAJOR}\\.`));
});

describe('kernel and tfjs', { skip: skipTfjs }, () => {
  const tf = skipTfjs === false ? loadTfjs() : undefined;
  for (const [name, layout] of LAYOUTS) {
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
      if (step % 100 === 0) pair.tfjs.evaluate(shard, new Uint16Array(1));
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

  constructor(tf: Tfjs | undefined, layout: ModelLayout, { inputs, targets }: Images) {
    assert.ok(tf);
    const memory = new SharedMemory();
    this.layout = layout;
    this.#images = { inputs: memory.hold(inputs), targets: memory.hold(targets) };
    this.weights = memory.parameters(layout.parameters);
    this.weights.set(randomWeights(layout, 22));
    this.gradient = memory.parameters(layout.parameters);
    const plan = planProgram(layout, { shardSize: Math.max(...SHARD_SIZES) }, memory);
    this.kernel = new KernelBackend(instantiateKernel(compileKernel(), memory.memory), plan, memory.memory);
    this.tfjs = new TfjsBackend(tf, layout);
    this.kernel.setWeights(this.weights);
    this.tfjs.setWeights(this.weights);
  }

  /** Samples spread over the images, under varied shifts. */
  shard(size: number): SampleBatch {
    const uniform = uniformStream(size);
    const count = this.#images.targets.length;
    const indices = Int32Array.from({ length: size }, (_, i) => (17 * size + 997 * i) % count);
    const shifts = Int8Array.from({ length: 2 * size }, () => randomShift(uniform));
    return { ...this.#images, first: 0, indices, shifts };
  }
}

function madeImages(layout: ModelLayout): Images {
  const samples = randomSamples(layout, 21, MADE_SAMPLES);
  const inputs = Uint8Array.from(samples.flatMap(({ image }) => [...image]));
  return { inputs, targets: Uint16Array.from(samples, ({ label }) => label) };
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
  const frozen = pair.layout.layers.filter((layer) => layer.frozen).flatMap(({ tensors }) => tensors);
  for (const { name, relative, scale } of compareTensors(pair.layout, kernel.gradient, tfjs.gradient)) {
    if (frozen.some((tensor) => tensor.name === name)) continue;
    assert.ok(scale > 0, `${name} has no gradient to compare`);
    assert.ok(relative <= TOLERANCE, `${name}: off by ${relative} of its largest gradient, ${scale}`);
  }
  const predictions = [new Uint16Array(size), new Uint16Array(size)] as const;
  const evaluated = [pair.tfjs.evaluate(shard, predictions[1]), pair.kernel.evaluate(shard, predictions[0])] as const;
  assert.deepEqual(predictions[1], predictions[0]);
  for (const [actual, expected] of [[tfjs, kernel], evaluated] as const) {
    assert.equal(actual.correct, expected.correct);
    const error = Math.abs(actual.lossSum - expected.lossSum) / expected.lossSum;
    assert.ok(error <= TOLERANCE, `loss: expected ${expected.lossSum}, got ${actual.lossSum}`);
  }
}
