import { mkdir, readdir, readFile, rm, stat } from 'node:fs/promises';
import { freemem } from 'node:os';
import { dirname, join } from 'node:path';
import { z } from 'zod';
import { trainSchema } from '../../shared/config/schema.ts';
import { cacheFolder, resolveDataFolder } from '../../shared/data/data-folder.ts';
import type { Dataset } from '../../shared/data/dataset.ts';
import { loadMnist } from '../../shared/data/mnist.ts';
import { bytesHeld, bytesOfParts, datasetFrom, MNIST_COUNTS } from '../../shared/data/parts.ts';
import { namedSetOf } from '../../shared/data/registry.ts';
import type { SharedMemory } from '../../shared/engine/wasm/memory.ts';
import { modelOf } from '../../shared/model/registry.ts';
import { DatasetError, NodeError, UsageError } from '../../shared/util/errors.ts';
import type { Print } from '../../shared/util/notice.ts';
import { replaceFile } from '../../shared/util/replace-file.ts';
import { shortDigest } from '../../shared/util/shown-path.ts';
import { ProtocolError } from '../../shared/wire/protocol-error.ts';
import { requireRoom, type SizeOf, sharedMemoryFor, threadsAfforded, threadsHeld } from '../pool/capacity.ts';
import { placeInMemory } from '../pool/sample-set.ts';
import { Compute, type ComputeConfig, computeSize } from './compute.ts';
import { Download } from './download.ts';
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
  /** What has come of a data set so far: it goes on over the next connection. */
  #download: { readonly key: string; readonly download: Download } | undefined;

  constructor(options: NodeDataOptions) {
    this.#options = options;
  }

  /**
   * What computes for a run, or what receives its data set first.
   * @throws ProtocolError if the config or what was received can't be used, DatasetError if the folder of --data can't,
   * UsageError or NodeError if the memory is too small for --threads or the run
   */
  async prepare(welcome: Welcome): Promise<Compute | Download> {
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
    const dataset = await this.#dataset(welcome, memory);
    if (dataset instanceof Download) return dataset;
    if (dataset.train.count !== samples || dataset.test.count !== testSamples) {
      throw new ProtocolError('The data set of that digest has other numbers of samples.', { closeCode: 'malformed' });
    }
    await this.close();
    requireRoom(threads);
    const { threads: most, print } = this.#options;
    if (threads < most)
      print(`${threads} of ${most} threads compute: the run has no use for more, or memory none to give.`);
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
    throw new UsageError(
      `--threads: expected at most ${held}, which is what a shared memory of 4 GiB holds for the run's batch of ${batch} in shards ` +
        `of ${shardSize}, but got ${threads}. Give fewer, or auto.`,
    );
  }

  async #dataset(welcome: Welcome, memory: SharedMemory): Promise<Dataset | Download> {
    const { dataset: digest, samples: train, testSamples: test } = welcome;
    const { env, print } = this.#options;
    let room = bytesHeld({ train, test });
    // The shared memory has room for the run's set. One of this machine that is larger isn't that, and its digest or sizes will tell.
    const allocate = (length: number): Uint8Array => {
      room -= length;
      return room < 0 ? new Uint8Array(length) : memory.bytes(length);
    };
    const set = namedSetOf(digest);
    if (set?.isComputed) return set.open({ env, allocate, print });
    const download = this.#downloadOf(welcome);
    const kept = join(dirname(cacheFolder(env)), 'sets', `${digest}.bin`);
    if (download.isComplete) return this.#received(download, welcome, kept);
    const own = await this.#own(allocate);
    if (own?.sha256 === digest) return own;
    if (own !== undefined && this.#options.flag !== undefined)
      print(
        `The run's data set is another one than that of --data: digest ${shortDigest(digest)}, not ${shortDigest(own.sha256)}.`,
      );
    const bytes = await readFile(kept).catch(() => undefined);
    try {
      // A kept copy that is damaged is received again.
      return bytes === undefined ? download : datasetFrom(bytes, { train, test }, digest);
    } catch (error) {
      if (!(error instanceof DatasetError)) throw error;
      return download;
    }
  }

  #downloadOf({ dataset, samples: train, testSamples: test }: Welcome): Download {
    const key = JSON.stringify([dataset, train, test]);
    if (this.#download?.key !== key)
      this.#download = { key, download: new Download(bytesOfParts({ train, test }), this.#options.print) };
    return this.#download.download;
  }

  /** @throws ProtocolError if it isn't the run's, which another try may change if its parts came over several connections */
  async #received(download: Download, { dataset, samples: train, testSamples: test }: Welcome, kept: string) {
    this.#download = undefined;
    try {
      const received = datasetFrom(download.bytes, { train, test }, dataset);
      await keep(kept, download.bytes).catch((error: Error) =>
        this.#options.print(`The data set can't be kept: ${error.message}.`, 'warn'),
      );
      return received;
    } catch (error) {
      if (!(error instanceof DatasetError)) throw error;
      throw new ProtocolError(error.message, { closeCode: download.isPieced ? 'tampered' : 'malformed', cause: error });
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

/** The shared memory for a run: its data set, perhaps another that was found here, and what computes. */
function sizesFor(config: ComputeConfig, { samples: train, testSamples: test }: Welcome): SizeOf {
  const set = bytesHeld({ train, test });
  return (threads) => {
    const { reserved, used } = computeSize(config, threads, test);
    return { reserved: bytesHeld(MNIST_COUNTS) + set + reserved, used: SET_COPIES * set + used };
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
