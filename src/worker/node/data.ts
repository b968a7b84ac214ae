import { mkdir, readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { z } from 'zod';
import { trainSchema } from '../../shared/config/schema.ts';
import { cacheFolder, resolveDataFolder } from '../../shared/data/data-folder.ts';
import type { Dataset } from '../../shared/data/dataset.ts';
import { loadMnist } from '../../shared/data/mnist.ts';
import { datasetFrom } from '../../shared/data/parts.ts';
import { namedSetOf } from '../../shared/data/registry.ts';
import { SharedMemory } from '../../shared/engine/wasm/memory.ts';
import { DatasetError } from '../../shared/util/errors.ts';
import { replaceFile } from '../../shared/util/replace-file.ts';
import { ProtocolError } from '../../shared/wire/protocol-error.ts';
import { placeInMemory } from '../pool/sample-set.ts';
import { Compute, type ComputeConfig } from './compute.ts';
import type { Welcome } from './session.ts';

const ConfigSchema = z.strictObject(
  Object.fromEntries(
    (['head', 'rbfJ', 'batch', 'shardSize', 'seed', 'augment'] as const).map((key) => [key, trainSchema.shape[key]]),
  ) as Pick<typeof trainSchema.shape, 'head' | 'rbfJ' | 'batch' | 'shardSize' | 'seed' | 'augment'>,
);

export interface NodeDataOptions {
  /** --data */
  readonly flag: string | undefined;
  readonly env: NodeJS.ProcessEnv;
  readonly threads: number;
  readonly print: (line: string) => void;
}

/** Finds a run's data set on this machine, and keeps the pool that computes for it as long as runs need the same. */
export class NodeData {
  readonly #options: NodeDataOptions;
  #compute: { readonly key: string; readonly compute: Compute } | undefined;

  constructor(options: NodeDataOptions) {
    this.#options = options;
  }

  /**
   * What computes for a run; undefined if its data set must come from the coordinator.
   * @throws ProtocolError if the config can't be used, DatasetError if what was received isn't the run's
   */
  async prepare(welcome: Welcome, received: Uint8Array | undefined): Promise<Compute | undefined> {
    const key = JSON.stringify([welcome.config, welcome.dataset]);
    if (this.#compute?.key === key) return this.#compute.compute;
    const config = configOf(welcome);
    const memory = new SharedMemory();
    const dataset = await this.#dataset(welcome, received, memory);
    if (dataset === undefined) return undefined;
    await this.#compute?.compute.close();
    const { threads, print } = this.#options;
    const compute = new Compute({
      config,
      threads,
      memory,
      train: placeInMemory(memory, dataset.train),
      test: placeInMemory(memory, dataset.test),
      onLost: (worker, { message }) => print(`Worker ${worker} was lost (${message}); another takes its place.`),
    });
    if (compute.layout.parameters !== welcome.parameters) {
      throw new ProtocolError("The coordinator's model has another number of parameters.", { closeCode: 'numerics' });
    }
    await compute.warmUp();
    this.#compute = { key, compute };
    return compute;
  }

  async close(): Promise<void> {
    await this.#compute?.compute.close();
  }

  async #dataset(
    { dataset: digest, samples: train, testSamples: test }: Welcome,
    received: Uint8Array | undefined,
    memory: SharedMemory,
  ): Promise<Dataset | undefined> {
    const { env, print } = this.#options;
    const allocate = (length: number): Uint8Array => memory.bytes(length);
    const set = namedSetOf(digest);
    if (set?.isComputed) return set.open({ env, allocate, print });
    const own = received === undefined ? await this.#own(allocate) : undefined;
    if (own?.sha256 === digest) return own;
    const kept = join(dirname(cacheFolder(env)), 'sets', `${digest}.bin`);
    const bytes = received ?? (await readFile(kept).catch(() => undefined));
    if (bytes === undefined) return undefined;
    try {
      const dataset = datasetFrom(bytes, { train, test }, digest);
      if (received !== undefined)
        await keep(kept, received).catch((error: Error) => print(`The data set can't be kept: ${error.message}`));
      return dataset;
    } catch (error) {
      // A kept copy that is damaged is received again.
      if (received !== undefined || !(error instanceof DatasetError)) throw error;
      return undefined;
    }
  }

  /** MNIST in a folder of this machine, if it is there. */
  async #own(allocate: (length: number) => Uint8Array): Promise<Dataset | undefined> {
    const { flag, env } = this.#options;
    try {
      return await loadMnist(await resolveDataFolder({ flag, env }), { allocate });
    } catch (error) {
      if (flag !== undefined || !(error instanceof DatasetError)) throw error;
      return undefined;
    }
  }
}

function configOf({ config, samples }: Welcome): ComputeConfig {
  const parsed = ConfigSchema.safeParse(config);
  if (!parsed.success || parsed.data.batch % parsed.data.shardSize !== 0) {
    throw new ProtocolError("This node can't use the run's config.", { closeCode: 'malformed' });
  }
  const { seed, augment, ...rest } = parsed.data;
  return { ...rest, sampler: { samples, batch: rest.batch, seed, augment } };
}

async function keep(file: string, bytes: Uint8Array): Promise<void> {
  await mkdir(dirname(file), { recursive: true });
  await replaceFile(file, bytes);
}
