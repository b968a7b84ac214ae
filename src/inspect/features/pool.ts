import { extname } from 'node:path';
import type { Normalization } from '../../shared/data/preparation.ts';
import { ModelError } from '../../shared/util/errors.ts';
import { printable } from '../../shared/util/printable.ts';
import { TaskPool } from '../../shared/util/task-pool.ts';
import type { FrozenNetwork } from './network.ts';
import { loadRuntime } from './runtime.ts';
import type { FeatureResult, FeatureTask, ThreadData } from './thread.ts';

/** A ResNet-50 takes half a second a picture. */
const LONGEST_SECONDS = 300;
/** Bytes of the networks that all threads hold, at most, unless one is larger. */
const MAX_HELD = 2 ** 31;

/** Threads that each hold a frozen network and compute features. */
export class FeaturePool {
  readonly #pool: TaskPool<FeatureTask, FeatureResult>;
  readonly #path: string;

  private constructor(network: FrozenNetwork, normalization: Normalization, tasks: number) {
    const { path, input, layer, model } = network;
    const workerData: ThreadData = { network: { input, layer, model }, normalization };
    const filename = new URL(`./thread${extname(import.meta.url)}`, import.meta.url).href;
    const options = { filename, name: 'featuresOf', doing: 'computing them', seconds: LONGEST_SECONDS, workerData };
    this.#pool = new TaskPool(options, Math.min(tasks, Math.max(1, Math.floor(MAX_HELD / model.length))));
    this.#path = path;
  }

  /** @param tasks how many there will be; @throws PackageError if the runtime isn't installed */
  static async open(network: FrozenNetwork, normalization: Normalization, tasks: number): Promise<FeaturePool> {
    await loadRuntime();
    return new FeaturePool(network, normalization, tasks);
  }

  /**
   * [count][features] of each task, in the tasks' order. Features may be of any value.
   * @throws ModelError if the network can't be run
   */
  async *run(tasks: Iterable<FeatureTask>): AsyncGenerator<readonly Float32Array[]> {
    for await (const result of this.#pool.run(tasks, (_, problem) => ({ problem }))) {
      if ('problem' in result)
        throw new ModelError(`${this.#path}: its features can't be had: ${printable(result.problem)}.`);
      yield result.features;
    }
  }

  /** Of one picture. @throws as `run` does */
  async featuresOf(sample: Uint8Array, shape: FeatureTask['shape']): Promise<Float32Array> {
    for await (const [features] of this.run([{ samples: sample, shape }])) if (features !== undefined) return features;
    throw new ModelError(`${this.#path} has no features for a picture.`);
  }

  async close(): Promise<void> {
    await this.#pool.close();
  }
}
