import type { Tensor } from '../../model/formats/tensorflow.ts';
import type { ModelLayout } from '../../model/layout.ts';
import { Stopwatch } from '../../util/stopwatch.ts';
import type { Backend, LossSum, SampleBatch } from '../backend.ts';
import type { Tfjs } from './api.ts';
import { decode, oneHot } from './images.ts';
import { columnsOf, lossesOf, scoresOf } from './model.ts';
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
  readonly #parameters: readonly TfjsParameter[];
  #weights: readonly Tensor[] = [];

  constructor(tf: Tfjs, layout: ModelLayout) {
    this.#tf = tf;
    this.#layout = layout;
    this.#parameters = tfjsParameters(layout);
  }

  setWeights(weights: Float32Array): void {
    for (const tensor of this.#weights) tensor.dispose();
    this.#weights = this.#parameters.map((parameter) => this.#tf.tensor(valuesOf(parameter, weights), parameter.shape));
  }

  gradient(samples: SampleBatch, shards: number, gradient: Float32Array): LossSum {
    if (shards !== 1) throw new RangeError(`Expected one shard, got ${shards}.`);
    const tf = this.#tf;
    return tf.tidy(() => {
      const { images, hot } = this.#inputs(samples);
      const outcome: Tensor[] = [];
      const { grads } = tf.valueAndGrads((...weights) => {
        const scores = scoresOf(tf, this.#layout, images, weights);
        const losses = lossesOf(tf, scores, hot);
        outcome.push(tf.keep(scores), tf.keep(losses));
        return tf.sum(losses);
      })(this.#weights);
      for (const [i, parameter] of this.#parameters.entries()) {
        putGradient(parameter, (grads[i] as Tensor).dataSync(), gradient);
      }
      const [scores, losses] = outcome as [Tensor, Tensor];
      const result = this.#lossSum(samples, scores, losses);
      scores.dispose();
      losses.dispose();
      return result;
    });
  }

  evaluate(samples: SampleBatch, predictions: Uint8Array): LossSum {
    const tf = this.#tf;
    return tf.tidy(() => {
      const { images, hot } = this.#inputs(samples);
      const scores = scoresOf(tf, this.#layout, images, this.#weights);
      return this.#lossSum(samples, scores, lossesOf(tf, scores, hot), predictions);
    });
  }

  #inputs(samples: SampleBatch): { readonly images: Tensor; readonly hot: Tensor } {
    const { input, head } = this.#layout.spec;
    const count = samples.indices.length;
    const { height, width, padding } = input;
    const shape = [count, height + 2 * padding, width + 2 * padding, 1];
    const columns = columnsOf(head);
    this.sampling.start();
    const inputs = {
      images: this.#tf.tensor(decode(input, samples), shape),
      hot: this.#tf.tensor(oneHot(samples, columns), [count, columns]),
    };
    this.sampling.stop();
    return inputs;
  }

  #lossSum(
    { labels, indices }: SampleBatch,
    scoreTensor: Tensor,
    lossTensor: Tensor,
    predictions: Uint8Array = new Uint8Array(indices.length),
  ): LossSum {
    const { head } = this.#layout.spec;
    const columns = columnsOf(head);
    const scores = scoreTensor.dataSync();
    let lossSum = 0;
    let correct = 0;
    for (const [sample, loss] of lossTensor.dataSync().entries()) {
      const first = sample * columns;
      const prediction = highest(scores.subarray(first, first + head.classes));
      predictions[sample] = prediction;
      lossSum += loss;
      if (prediction === labels[indices[sample] as number]) correct++;
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
