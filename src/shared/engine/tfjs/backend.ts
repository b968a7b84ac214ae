import type { Tensor } from '../../model/formats/tensorflow.ts';
import { headOf } from '../../model/kinds.ts';
import type { TensorLayout } from '../../model/layers/placed-layer.ts';
import type { ModelLayout } from '../../model/layout.ts';
import { Stopwatch } from '../../util/stopwatch.ts';
import type { Backend, LossSum, SampleBatch } from '../backend.ts';
import type { Tfjs } from './api.ts';
import { decode, decodeTargets, frameOf, tensorShape } from './inputs.ts';
import { lossesOf } from './model.ts';
import { putGradient, type TfjsParameter, tfjsParameters, valuesOf } from './weights.ts';

/**
 * The model in native TensorFlow as a backend. A shard is one call of it, whichever worker has it, so that its bits don't
 * depend on its neighbours; the tree adds the shards.
 */
export class TfjsBackend implements Backend {
  readonly name = 'tfjs';
  readonly shardsAtOnce = 1;
  readonly sampling = new Stopwatch();
  readonly #tf: Tfjs;
  readonly #layout: ModelLayout;
  readonly #seed: number;
  /** In flat order. */
  readonly #parameters: readonly TfjsParameter[];
  /** Of these, those that a loss depends on in training. */
  readonly #trained: readonly TfjsParameter[];
  readonly #weights = new Map<TensorLayout, Tensor>();

  /** @param seed the run's, which decides what dropout drops */
  constructor(tf: Tfjs, layout: ModelLayout, seed = 0) {
    this.#tf = tf;
    this.#layout = layout;
    this.#seed = seed;
    this.#parameters = tfjsParameters(layout);
    const frozen = new Set(layout.layers.filter((layer) => layer.frozen).flatMap(({ tensors }) => tensors));
    this.#trained = this.#parameters.filter(({ layout: own }) => own.role !== 'state' && !frozen.has(own));
  }

  setWeights(weights: Float32Array): void {
    for (const tensor of this.#weights.values()) tensor.dispose();
    for (const parameter of this.#parameters)
      this.#weights.set(parameter.layout, this.#tf.tensor(valuesOf(parameter, weights), parameter.shape));
  }

  gradient(samples: SampleBatch, shards: number, gradient: Float32Array): LossSum {
    if (shards !== 1) throw new RangeError(`Expected one shard, got ${shards}.`);
    const tf = this.#tf;
    gradient.fill(0);
    return tf.tidy(() => {
      const values = this.#inputs(samples);
      const kept: Tensor[] = [];
      const keep = (tensor: Tensor): void => {
        kept.push(tf.keep(tensor));
      };
      const state: (readonly [{ readonly offset: number }, Tensor])[] = [];
      const pass = {
        ...{ training: true, seed: this.#seed, positions: Array.from(samples.indices, (_, i) => samples.first + i) },
        observe(tensor: { readonly offset: number }, sums: Tensor): void {
          state.push([tensor, sums]);
          keep(sums);
        },
      };
      let outcome: { readonly scores: Tensor; readonly losses: Tensor } | undefined;
      const { grads } = tf.valueAndGrads((...trained) => {
        const parameters = new Map(this.#weights);
        for (const [i, { layout }] of this.#trained.entries()) parameters.set(layout, trained[i] as Tensor);
        outcome = lossesOf(tf, this.#layout, values, parameters, pass);
        keep(outcome.scores);
        keep(outcome.losses);
        return tf.sum(outcome.losses);
      })(this.#trained.map(({ layout }) => this.#weights.get(layout) as Tensor));
      for (const [i, parameter] of this.#trained.entries())
        putGradient(parameter, (grads[i] as Tensor).dataSync(), gradient);
      for (const [{ offset }, sums] of state) gradient.set(sums.dataSync(), offset);
      const result = this.#lossSum(samples, outcome as NonNullable<typeof outcome>);
      for (const tensor of kept) tensor.dispose();
      return result;
    });
  }

  evaluate(samples: SampleBatch, predictions: Uint16Array): LossSum {
    const pass = { training: false, seed: this.#seed, positions: [], observe: () => undefined };
    return this.#tf.tidy(() => {
      const outcome = lossesOf(this.#tf, this.#layout, this.#inputs(samples), this.#weights, pass);
      return this.#lossSum(samples, outcome, predictions);
    });
  }

  #inputs(samples: SampleBatch): { readonly input: Tensor; readonly isPadded: boolean; readonly targets: Tensor } {
    const { input, classes } = this.#layout;
    const frame = frameOf(this.#layout, samples);
    const count = samples.indices.length;
    this.sampling.start();
    const tensors = {
      isPadded: frame.padding > 0,
      input: this.#tf.tensor(decode(input, samples, frame), tensorShape(count, frame.shape)),
      targets: this.#tf.tensor(decodeTargets(this.#layout, samples), [count, classes]),
    };
    this.sampling.stop();
    return tensors;
  }

  #lossSum(
    { targets, indices }: SampleBatch,
    outcome: { readonly scores: Tensor; readonly losses: Tensor },
    predictions: Uint16Array = new Uint16Array(indices.length),
  ): LossSum {
    const { classes, spec } = this.#layout;
    const { hasAccuracy } = headOf(spec.head);
    const scores = outcome.scores.dataSync();
    let lossSum = 0;
    let correct = 0;
    for (const [sample, loss] of outcome.losses.dataSync().entries()) {
      const own = scores.subarray(sample * classes, (sample + 1) * classes);
      const index = indices[sample] as number;
      lossSum += loss;
      if (targets instanceof Float32Array) {
        // As the kernel has it, the prediction is whether all of the labels are right.
        const isRight = hasAccuracy && own.every((score, i) => score > 0 === (targets[index * classes + i] ?? 0) > 0.5);
        predictions[sample] = Number(isRight);
        correct += Number(isRight);
      } else {
        const prediction = highest(own);
        predictions[sample] = prediction;
        correct += Number(prediction === targets[index]);
      }
    }
    return { lossSum, correct };
  }
}

/** The first among equals, as the kernel has it. */
function highest(scores: Float32Array): number {
  let best = 0;
  for (let i = 1; i < scores.length; i++) if ((scores[i] as number) > (scores[best] as number)) best = i;
  return best;
}
