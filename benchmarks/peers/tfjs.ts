import type { Tfjs } from '#src/shared/engine/tfjs/api.js';
import { decode, decodeTargets, tensorShape } from '#src/shared/engine/tfjs/inputs.js';
import { loadTfjs } from '#src/shared/engine/tfjs/load.js';
import { lossesOf } from '#src/shared/engine/tfjs/model.js';
import { tfjsParameters, valuesOf } from '#src/shared/engine/tfjs/weights.js';
import type { Tensor } from '#src/shared/model/formats/tensorflow.js';
import { randomWeights } from '../../tests/support/reference/random.ts';
import { type Job, type Measured, measured, type Trainer } from './trainer.ts';

/** What a training loop needs beside the operations of layers. */
interface Training extends Tfjs {
  variable(initial: Tensor): Tensor;
  readonly train: { adam(learningRate: number): { minimize(loss: () => Tensor, returnCost: true): Tensor } };
}

/**
 * A training loop as users of tfjs-node write it, for networks with layers that its LayersModel lacks, such as group norm:
 * tfjs's operations under its own Adam. Samples are decoded before it begins; the loss is read after every step.
 */
export class TfjsTrainer implements Trainer {
  readonly name = 'tfjs-node';
  readonly #step: (first: number) => void;
  readonly #job: Job;

  constructor(job: Job) {
    this.#job = job;
    const { layout, train, batch, learningRate } = job;
    const tf = loadTfjs() as Training;
    const initial = randomWeights(layout, 1);
    const weights = new Map(
      tfjsParameters(layout).map((own) => [own.layout, tf.variable(tf.tensor(valuesOf(own, initial), own.shape))]),
    );
    const indices = Int32Array.from({ length: train.count }, (_, i) => i);
    const all = { ...train, first: 0, indices, shifts: new Int8Array(2 * train.count) };
    const shape = tensorShape(train.count, layout.input);
    const inputs = tf.tensor(decode(layout.input, all, { shape: layout.input, padding: 0 }), shape);
    const targets = tf.tensor(decodeTargets(layout, all), [train.count, layout.classes]);
    const rows = (tensor: Tensor, first: number): Tensor =>
      tf.slice(tensor, [first, ...tensor.shape.slice(1).map(() => 0)], [batch, ...tensor.shape.slice(1)]);
    const pass = { training: true, seed: 1, positions: [...indices.subarray(0, batch)], observe: () => undefined };
    const optimizer = tf.train.adam(learningRate);
    this.#step = (first) => {
      tf.tidy(() => {
        const values = { input: rows(inputs, first), isPadded: false, targets: rows(targets, first) };
        optimizer.minimize(() => tf.mean(lossesOf(tf, layout, values, weights, pass).losses, 0), true).dataSync();
      });
    };
  }

  measure(steps: number): Promise<Measured> {
    const { train, batch } = this.#job;
    return measured(() => {
      for (let step = 0; step < steps; step++) this.#step((step * batch) % (train.count - batch + 1));
    });
  }

  close(): void {}
}
