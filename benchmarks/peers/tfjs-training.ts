import type { Tfjs } from '#src/shared/engine/tfjs/api.js';
import { decode, decodeTargets, tensorShape } from '#src/shared/engine/tfjs/inputs.js';
import { loadTfjs } from '#src/shared/engine/tfjs/load.js';
import { lossesOf } from '#src/shared/engine/tfjs/model.js';
import { type TfjsParameter, tfjsParameters, valuesOf } from '#src/shared/engine/tfjs/weights.js';
import type { Tensor } from '#src/shared/model/formats/tensorflow.js';
import type { TensorLayout } from '#src/shared/model/layers/placed-layer.js';
import { type Job, withoutDropout } from './trainer.ts';

/** As Lockstep's Adam has them. */
const [BETA1, BETA2, EPSILON] = [0.9, 0.999, 1e-8];

/** What a training loop needs beside the operations of layers. */
interface Training extends Tfjs {
  variable(initial: Tensor): Tensor;
  tensor1d(values: Int32Array, dtype: 'int32'): Tensor;
  gather(x: Tensor, indices: Tensor): Tensor;
  readonly train: {
    adam(
      learningRate: number,
      beta1: number,
      beta2: number,
      epsilon: number,
    ): { minimize(loss: () => Tensor, returnCost: true): Tensor };
  };
}

interface Parameter {
  readonly layout: TensorLayout;
  readonly variable: Tensor;
  /** 1 where there is a connection; undefined if they are all there. */
  readonly mask: Tensor | undefined;
}

/**
 * A training loop as users of tfjs-node write it, for networks with layers that its LayersModel lacks, such as group norm:
 * tfjs's operations under its own Adam. Samples are decoded before it begins; the loss is read after every step.
 */
export class TfjsTraining {
  readonly versions: Readonly<Record<string, string>>;
  readonly #job: Job;
  readonly #step: (indices: Int32Array, hasDropout: boolean) => number;

  constructor(job: Job, threads: number) {
    this.#job = job;
    const { layout, train, batch, learningRate, weights } = job;
    const tf = loadTfjs(threads) as Training;
    this.versions = { 'tfjs-node': tf.version['tfjs-core'] ?? '' };
    const parameters = tfjsParameters(layout).map((own) => parameterOf(tf, own, weights));
    const indices = Int32Array.from({ length: train.count }, (_, i) => i);
    const all = { ...train, first: 0, indices, shifts: new Int8Array(2 * train.count) };
    const shape = tensorShape(train.count, layout.input);
    const inputs = tf.tensor(decode(layout.input, all, { shape: layout.input, padding: 0 }), shape);
    const targets = tf.tensor(decodeTargets(layout, all), [train.count, layout.classes]);
    const pass = { training: true, seed: 1, positions: [...indices.subarray(0, batch)], observe: () => undefined };
    const optimizer = tf.train.adam(learningRate, BETA1, BETA2, EPSILON);
    const plain = withoutDropout(layout);
    this.#step = (chosen, hasDropout) => {
      const loss = tf.tidy(() => {
        const places = tf.tensor1d(chosen, 'int32');
        const values = { input: tf.gather(inputs, places), isPadded: false, targets: tf.gather(targets, places) };
        return optimizer.minimize(() => {
          const used = new Map(
            parameters.map((own) => [own.layout, own.mask ? tf.mul(own.variable, own.mask) : own.variable]),
          );
          return tf.mean(lossesOf(tf, hasDropout ? layout : plain, values, used, pass).losses, 0);
        }, true);
      });
      const [value = Number.NaN] = loss.dataSync();
      loss.dispose();
      return value;
    };
  }

  /** Of the first batch, without dropout. */
  losses(steps: number): number[] {
    const first = Int32Array.from({ length: this.#job.batch }, (_, i) => i);
    return Array.from({ length: steps }, () => this.#step(first, false));
  }

  /** On random batches. */
  train(steps: number): void {
    const { train, batch } = this.#job;
    for (let step = 0; step < steps; step++) {
      this.#step(
        Int32Array.from({ length: batch }, () => Math.floor(Math.random() * train.count)),
        true,
      );
    }
  }
}

function parameterOf(tf: Training, own: TfjsParameter, weights: Float32Array): Parameter {
  const { layout, rearranged, shape } = own;
  const variable = tf.variable(tf.tensor(valuesOf(own, weights), shape));
  const size = shape.reduce((product, side) => product * side, 1);
  if (rearranged === undefined || rearranged.places.length === size) return { layout, variable, mask: undefined };
  const mask = new Float32Array(size);
  for (const place of rearranged.places) mask[place] = 1;
  return { layout, variable, mask: tf.tensor(mask, shape) };
}
