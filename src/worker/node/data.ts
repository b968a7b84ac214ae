import { mkdir, readdir, readFile, rm, stat } from 'node:fs/promises';
import { freemem } from 'node:os';
import { dirname, join } from 'node:path';
import { z } from 'zod';
import { trainSchema } from '../../shared/config/schema.ts';
import { cacheFolder, resolveDataFolder } from '../../shared/data/data-folder.ts';
import type { Dataset } from '../../shared/data/dataset.ts';
import { loadMnist } from '../../shared/data/mnist.ts';
import { bytesHeld, datasetFrom } from '../../shared/data/parts.ts';
import { namedSetOf } from '../../shared/data/registry.ts';
import type { SharedMemory } from '../../shared/engine/wasm/memory.ts';
import { modelOf } from '../../shared/model/registry.ts';
import { DatasetError, NodeError } from '../../shared/util/errors.ts';
import type { Print } from '../../shared/util/notice.ts';
import { replaceFile } from '../../shared/util/replace-file.ts';
import { ProtocolError } from '../../shared/wire/protocol-error.ts';
import { requireRoom, type SizeOf, sharedMemoryFor, threadsAfforded, threadsHeld } from '../pool/capacity.ts';
import { placeInMemory } from '../pool/sample-set.ts';
import { Compute, type ComputeConfig, computeSize } from './compute.ts';
import type { Welcome } from './session.ts';

/** Data sets that are kept on disk. */
const MAX_KEPT = 2;
/** Copies of a data set: the one in shared memory, and what it is copied from. */
const SET_COPIES = 2;
const MEBIBYTE = 1 << 20;

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
  /** Fewer will do: a person didn't choose their number. */
  readonly areMost?: boolean;
  readonly print: Print;
  /** Memory that this machine has left; replaced by tests. */
  readonly availableBytes?: () => number;
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
    const { config: options, dataset: digest, samples, testSamples, parameters: announced } = welcome;
    const key = JSON.stringify([options, digest, samples, testSamples, announced]);
    if (this.#compute?.key === key) return this.#compute.compute;
    const config = configOf(welcome);
    const { parameters } = modelOf(config);
    if (parameters !== announced) {
      throw new ProtocolError("The coordinator's model has another number of parameters.", { closeCode: 'numerics' });
    }
    const sizeOf = sizesFor(config, welcome);
    const threads = this.#threadsFor(config, sizeOf);
    const memory = sharedMemoryFor(threads, sizeOf);
    const dataset = await this.#dataset(welcome, received, memory);
    if (dataset === undefined) return undefined;
    if (dataset.train.count !== samples || dataset.test.count !== testSamples) {
      throw new ProtocolError('The data set of that digest has other numbers of samples.', { closeCode: 'malformed' });
    }
    await this.close();
    requireRoom(threads);
    const { print } = this.#options;
    const compute = new Compute({
      config,
      threads,
      memory,
      train: placeInMemory(memory, dataset.train),
      test: placeInMemory(memory, dataset.test),
      onLost: (worker, { message }) =>
        print(`Worker ${worker} was lost (${message}); another takes its place.`, 'warn'),
    });
    await compute.warmUp();
    this.#compute = { key, compute };
    return compute;
  }

  async close(): Promise<void> {
    const before = this.#compute?.compute;
    this.#compute = undefined;
    await before?.close();
  }

  /** @throws NodeError if this machine doesn't have the memory that the run needs, before any of it is allocated */
  #threadsFor({ batch, shardSize }: ComputeConfig, sizeOf: SizeOf): number {
    const { threads, areMost = false, availableBytes = freeBytes } = this.#options;
    const held = threadsHeld(sizeOf, areMost ? Math.min(threads, batch / shardSize) : threads);
    const most = areMost ? Math.max(1, threadsAfforded(sizeOf, held)) : threads;
    const needed = sizeOf(most).used;
    const available = availableBytes();
    if (needed > available) {
      const [need, have] = [needed, available].map((bytes) => `${Math.ceil(bytes / MEBIBYTE)} MiB`);
      throw new NodeError(`The run needs about ${need} of memory, but this machine has ${have}.`);
    }
    if (held >= most) return most;
    throw new NodeError(
      `--threads: expected at most ${held}, which is what a shared memory of 4 GiB holds for the run's batch of ${batch} in shards ` +
        `of ${shardSize}, but got ${threads}. Give fewer, or auto.`,
    );
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
        await keep(kept, received).catch((error: Error) =>
          print(`The data set can't be kept: ${error.message}.`, 'warn'),
        );
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

/** Memory that this process may still take; the container's own limit counts if this Node.js knows it. */
function freeBytes(): number {
  return process.availableMemory?.() ?? freemem();
}

/** The shared memory for a run: its data set, perhaps twice, and what computes. */
function sizesFor(config: ComputeConfig, { samples: train, testSamples: test }: Welcome): SizeOf {
  const sets = SET_COPIES * bytesHeld({ train, test });
  return (threads) => {
    const { reserved, used } = computeSize(config, threads, test);
    return { reserved: sets + reserved, used: sets + used };
  };
}

function configOf({ config, samples }: Welcome): ComputeConfig {
  const parsed = ConfigSchema.safeParse(config);
  if (!parsed.success || parsed.data.batch % parsed.data.shardSize !== 0) {
    throw new ProtocolError("This node can't use the run's config.", { closeCode: 'malformed' });
  }
  const { seed, augment, ...rest } = parsed.data;
  return { ...rest, sampler: { samples, batch: rest.batch, seed, augment } };
}

/** Keeps a data set, and of those kept before only the newest. */
async function keep(file: string, bytes: Uint8Array): Promise<void> {
  const folder = dirname(file);
  await mkdir(folder, { recursive: true });
  await replaceFile(file, bytes);
  const others = (await readdir(folder)).map((name) => join(folder, name)).filter((each) => each !== file);
  const dated = await Promise.all(others.map(async (each) => ({ each, time: (await stat(each)).mtimeMs })));
  const surplus = dated.sort((a, b) => b.time - a.time).slice(MAX_KEPT - 1);
  await Promise.all(surplus.map(({ each }) => rm(each, { force: true, recursive: true })));
}
