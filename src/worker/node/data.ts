import { freemem } from 'node:os';
import { dirname, join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { cacheFolder, resolveDataFolder } from '../../shared/data/data-folder.ts';
import { type Arrays, type Dataset, type DatasetShape, OWN_ARRAYS } from '../../shared/data/dataset.ts';
import { bytesHeld } from '../../shared/data/limits.ts';
import { loadMnist } from '../../shared/data/mnist.ts';
import { findAt } from '../../shared/data/open.ts';
import { findKept } from '../../shared/data/packed-cache.ts';
import { receivedDataset } from '../../shared/data/parts.ts';
import { DEFAULT_SET, namedSetOf } from '../../shared/data/registry.ts';
import { reusing } from '../../shared/data/reused-arrays.ts';
import { heldBackOf } from '../../shared/data/validation.ts';
import type { KernelTarget } from '../../shared/engine/kernel-name.ts';
import { bytesOf, type SharedMemory } from '../../shared/engine/wasm/memory.ts';
import { bytesSource, fileSource } from '../../shared/util/byte-source.ts';
import { DatasetError, NodeError, UsageError } from '../../shared/util/errors.ts';
import type { Print } from '../../shared/util/notice.ts';
import { MAX_HEADER_BYTES } from '../../shared/util/safetensors.ts';
import { shortDigest } from '../../shared/util/shown-path.ts';
import { ProtocolError } from '../../shared/wire/protocol-error.ts';
import { requireRoom, type SizeOf, sharedMemoryFor, threadsAfforded, threadsHeld } from '../pool/capacity.ts';
import { allocatePlaces, placeInMemory } from '../pool/sample-set.ts';
import { Compute, type ComputeConfig, computeSize } from './compute.ts';
import { Download } from './download.ts';
import { keep } from './kept-sets.ts';
import { configOf, unusableModel } from './run-config.ts';
import type { Welcome } from './session.ts';

/** Copies of a data set: the one in shared memory, and what it is copied from. */
const SET_COPIES = 2;
const MEBIBYTE = 1 << 20;

export interface NodeDataOptions {
  /** --data */
  readonly flag: string | undefined;
  readonly env: NodeJS.ProcessEnv;
  readonly threads: number;
  readonly kernel?: KernelTarget;
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
    const { run: _, heartbeatSeconds: __, body, ...work } = welcome;
    const key = JSON.stringify([work, Buffer.from(body).toString('base64')]);
    if (this.#compute?.key === key) return this.#compute.compute;
    const config = configOf(welcome);
    if (config.layout.parameters !== welcome.parameters) {
      throw new ProtocolError("The coordinator's model has another number of parameters.", { closeCode: 'numerics' });
    }
    const sizeOf = sizesFor(config, welcome);
    const threads = this.#threadsFor(config, sizeOf);
    const memory = sharedMemoryFor(threads, sizeOf);
    const dataset = await this.#dataset(welcome, memory);
    if (dataset instanceof Download) return dataset;
    await this.close();
    requireRoom(threads);
    const { threads: most, kernel = 'wasm', print } = this.#options;
    if (threads < most)
      print(`${threads} of ${most} threads compute: the run has no use for more, or memory none to give.`);
    const compute = new Compute({
      config,
      threads,
      kernel,
      memory,
      validation: heldBackIn(dataset, welcome),
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
    const digest = welcome.dataset;
    const { env, print } = this.#options;
    const attempts = reusing(memory);
    const set = namedSetOf(digest);
    const shape = shapeOfRun(welcome);
    if (set?.isComputed) {
      if (isDeepStrictEqual(set.shape, shape)) return set.open({ env, arrays: attempts(), print });
      throw new ProtocolError('The data set of that digest has another shape.', { closeCode: 'malformed' });
    }
    const download = this.#downloadOf(welcome);
    const kept = join(dirname(cacheFolder(env)), 'sets', `${digest}.safetensors`);
    if (download.isComplete) return this.#received(download, welcome, { kept, arrays: attempts() });
    const cached = await this.#cached(digest, shape, attempts());
    if (cached !== undefined) return cached;
    const own = await this.#own(shape);
    if (own?.sha256 === digest) return own;
    if (this.#options.flag !== undefined) {
      const difference =
        own === undefined
          ? 'other samples, or another number of them'
          : `digest ${shortDigest(digest)}, not ${shortDigest(own.sha256)}`;
      print(`The run's data set is another one than that of --data: ${difference}.`);
    }
    try {
      return await receivedDataset(await fileSource(kept), { sha256: digest, shape }, attempts());
    } catch {
      // A copy that isn't there or is damaged is received.
      return download;
    }
  }

  /** The data set in this machine's cache, unless --data names another place. */
  async #cached(digest: string, shape: DatasetShape, arrays: Arrays): Promise<Dataset | undefined> {
    const { flag, env } = this.#options;
    const found = flag === undefined ? await findKept(digest, env) : undefined;
    if (found === undefined || !isDeepStrictEqual(found.shape, shape)) return undefined;
    try {
      return { ...(await found.read(arrays)), name: 'data' };
    } catch (error) {
      // A damaged copy is received again.
      if (error instanceof DatasetError) return undefined;
      throw error;
    }
  }

  /** @throws ProtocolError if the announced length can't be that of the data set */
  #downloadOf(welcome: Welcome): Download {
    const { dataset, dataBytes } = welcome;
    const key = JSON.stringify([dataset, dataBytes]);
    if (this.#download?.key === key) return this.#download.download;
    if (dataBytes > bytesHeld(shapeOfRun(welcome)) + MAX_HEADER_BYTES) {
      throw new ProtocolError(`A data set of the announced shape doesn't have ${dataBytes} bytes.`, {
        closeCode: 'malformed',
      });
    }
    const download = new Download(dataBytes, this.#options.print);
    this.#download = { key, download };
    return download;
  }

  /** @throws ProtocolError if it isn't the run's, which another try may change if its parts came over several connections */
  async #received(
    { bytes, isPieced }: Download,
    welcome: Welcome,
    { kept, arrays }: { readonly kept: string; readonly arrays: Arrays },
  ): Promise<Dataset> {
    this.#download = undefined;
    try {
      const expected = { sha256: welcome.dataset, shape: shapeOfRun(welcome) };
      const received = await receivedDataset(bytesSource('What was received', bytes), expected, arrays);
      await keep(kept, bytes).catch((error: Error) =>
        this.#options.print(`The data set can't be kept: ${error.message}.`, 'warn'),
      );
      return received;
    } catch (error) {
      if (!(error instanceof DatasetError)) throw error;
      throw new ProtocolError(error.message, { closeCode: isPieced ? 'tampered' : 'malformed', cause: error });
    }
  }

  /** The data set that --data names, else MNIST in a folder of this machine; undefined if there is none of this shape. */
  async #own(shape: DatasetShape): Promise<Dataset | undefined> {
    const { flag, env, print } = this.#options;
    if (flag !== undefined) {
      const { maps, height, width } = shape;
      const found = await findAt(flag, { env, print, reading: { input: { maps, height, width } } });
      return isDeepStrictEqual(found.shape, shape) ? found.read(OWN_ARRAYS) : undefined;
    }
    if (!isDeepStrictEqual(DEFAULT_SET.shape, shape)) return undefined;
    try {
      return await loadMnist(await resolveDataFolder({ env }));
    } catch (error) {
      if (!(error instanceof DatasetError)) throw error;
      return undefined;
    }
  }
}

/** Memory that this process may still take; the container's own limit counts if this Node.js knows it. */
function freeBytes(): number {
  return process.availableMemory?.() ?? freemem();
}

/**
 * The shared memory for a run: its data set, and what computes.
 * @throws ProtocolError if the model can't be computed
 */
function sizesFor(config: ComputeConfig, welcome: Welcome): SizeOf {
  const { samples, validationSamples } = welcome;
  const places = validationSamples === 0 ? 0 : bytesOf((memory) => allocatePlaces(memory, samples));
  const set = bytesHeld(shapeOfRun(welcome)) + places;
  try {
    computeSize(config, 1, welcome);
  } catch (error) {
    throw unusableModel(error as Error);
  }
  return (threads) => {
    const { reserved, used } = computeSize(config, threads, welcome);
    return { reserved: set + reserved, used: SET_COPIES * set + used };
  };
}

function shapeOfRun({ sample, samples, testSamples }: Welcome): DatasetShape {
  return { ...sample, samples, testSamples };
}

/** @throws ProtocolError if the data set doesn't have so many samples to hold back */
function heldBackIn({ train }: Dataset, { validationSamples }: Welcome): Int32Array | undefined {
  if (validationSamples === 0) return undefined;
  const found = heldBackOf(train, validationSamples);
  if (found.length === validationSamples && found.length < train.count) return found;
  throw new ProtocolError(`The data set doesn't have ${validationSamples} samples to hold back.`, {
    closeCode: 'malformed',
  });
}
