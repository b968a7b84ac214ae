import { Readable } from 'node:stream';
import { DatasetError, UsageError } from '../util/errors.ts';
import { sha256 } from './digest.ts';
import { download, MirrorError, type StartTimer } from './download.ts';
import type { DataFile } from './mnist-files.ts';
import { TooLongError, unpackInto } from './unpack.ts';

/** PyTorch's, the Common Visual Data Foundation's and Paderborn University's copies of the four files, packed. */
const PUBLIC_MIRRORS: readonly string[] = [
  'https://ossci-datasets.s3.amazonaws.com/mnist/',
  'https://storage.googleapis.com/cvdf-datasets/mnist/',
  'https://raw.githubusercontent.com/fgnt/mnist/master/',
];

/** What a packed file's own header and trailer may add to contents that don't shrink. */
const PACKING_BYTES = 1024;
const GZIP_MAGIC = Buffer.from([0x1f, 0x8b]);

/** No mirror delivered a file. */
export class NoMirrorError extends DatasetError {
  /** A line for each mirror: its address and what it did instead. */
  readonly failures: readonly string[];

  constructor(file: string, failures: readonly string[]) {
    super(`No mirror delivered ${file}. Tried ${failures.join('; ')}.`, { file });
    this.failures = failures;
  }
}

/** A file as a mirror sent it, checked. */
export interface Fetched {
  readonly body: Buffer;
  /** Whether the body is a gzip file of the contents. */
  readonly packed: boolean;
  readonly mirror: string;
  /** The failures of the mirrors that were tried before, as in NoMirrorError. */
  readonly failures: readonly string[];
}

export interface MirrorOptions {
  readonly onProgress?: ((file: DataFile, received: number, total: number | undefined) => void) | undefined;
  readonly startTimer?: StartTimer | undefined;
  /** Names the proxy, if there is one. */
  readonly env?: NodeJS.ProcessEnv;
}

/**
 * The mirrors' base addresses: $LOCKSTEP_MNIST_MIRRORS, separated by commas, else the public ones.
 * @throws UsageError if one isn't an http or https address
 */
export function mirrorsOf(env: NodeJS.ProcessEnv): readonly string[] {
  const given = (env.LOCKSTEP_MNIST_MIRRORS ?? '').split(',').map((address) => address.trim());
  const addresses = given.filter((address) => address !== '');
  for (const address of addresses) {
    if (URL.canParse(address) && /^https?:$/.test(new URL(address).protocol)) continue;
    throw new UsageError(
      `LOCKSTEP_MNIST_MIRRORS (environment variable): expected http or https addresses separated by commas, but got ` +
        `"${address}". Correct it, or leave it out for the public mirrors.`,
    );
  }
  return addresses.length === 0 ? PUBLIC_MIRRORS : addresses.map((address) => address.replace(/\/*$/, '/'));
}

/** Places that have the data set's files, tried in turn. */
export class Mirrors {
  #addresses: readonly string[];
  readonly #options: MirrorOptions;

  constructor(addresses: readonly string[], options: MirrorOptions = {}) {
    this.#addresses = addresses;
    this.#options = options;
  }

  /**
   * Fetches a file and fills `bytes`, as long as its contents, with them, unpacked and checked by their SHA-256.
   * @throws NoMirrorError if no mirror delivers
   */
  async fetch(file: DataFile, bytes: Uint8Array): Promise<Fetched> {
    const failures: string[] = [];
    for (const mirror of this.#addresses) {
      try {
        return { ...(await this.#fetchFrom(mirror, file, bytes)), mirror, failures };
      } catch (error) {
        if (!(error instanceof MirrorError)) throw error;
        failures.push(`${mirror}, which ${error.message}`);
        // The next file starts with a mirror that has worked.
        this.#addresses = [...this.#addresses.filter((address) => address !== mirror), mirror];
      }
    }
    throw new NoMirrorError(file.name, failures);
  }

  async #fetchFrom(mirror: string, file: DataFile, bytes: Uint8Array): Promise<Pick<Fetched, 'body' | 'packed'>> {
    const { onProgress, startTimer, env = {} } = this.#options;
    const body = await download(`${mirror}${file.name}.gz`, {
      limit: bytes.length + PACKING_BYTES,
      onProgress: (received, total) => onProgress?.(file, received, total),
      startTimer,
      env,
    });
    // Some servers mark the file as a packed transfer, and then the HTTP client has unpacked it.
    const packed = body.subarray(0, GZIP_MAGIC.length).equals(GZIP_MAGIC);
    const digest = sha256(await unpacked(body, packed, bytes));
    if (digest === file.sha256) return { body, packed };
    throw new MirrorError(`sent other bytes: expected the SHA-256 ${file.sha256} (unpacked), but they have ${digest}`);
  }
}

async function unpacked(body: Buffer, packed: boolean, bytes: Uint8Array): Promise<Uint8Array> {
  try {
    return await unpackInto(bytes, Readable.from([body]), packed);
  } catch (error) {
    if (error instanceof TooLongError) throw new MirrorError(`sent more than ${bytes.length} bytes (unpacked)`);
    throw new MirrorError(`sent a file that doesn't unpack (${(error as Error).message})`, { cause: error });
  }
}
