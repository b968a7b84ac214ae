import { Readable } from 'node:stream';
import { DatasetError, UsageError } from '../util/errors.ts';
import { sha256 } from './digest.ts';
import { download, MirrorError, type StartTimer } from './download.ts';
import type { DataFile } from './mnist-files.ts';
import { TooLongError, unpackInto } from './unpack.ts';

/** PyTorch's, the Common Visual Data Foundation's and Paderborn University's copies of MNIST's four files, packed. */
export const MNIST_MIRRORS: readonly string[] = [
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
  /** What was the matter, in a few words, each once. */
  readonly reasons: readonly string[];

  /** @param causes those of the mirrors, in the order of `failures` */
  constructor(file: string, failures: readonly string[], causes: readonly MirrorError[]) {
    super(
      `No mirror delivered ${file}. Tried ${failures.join('; ')}. ` +
        'Connect to a network, name the proxy by $HTTPS_PROXY, or other mirrors by $LOCKSTEP_DATA_MIRRORS.',
      { file, cause: new AggregateError(causes) },
    );
    this.failures = failures;
    this.reasons = [...new Set(causes.map(({ reason }) => reason))];
  }
}

interface Named {
  readonly name: string;
}

/** What a mirror sent, checked. */
export interface Sent {
  readonly body: Buffer;
  readonly mirror: string;
  /** The failures of the mirrors that were tried before, as in NoMirrorError. */
  readonly failures: readonly string[];
}

export interface Fetched extends Sent {
  /** Whether the body is a gzip file of the contents. */
  readonly packed: boolean;
}

export interface MirrorOptions {
  readonly onProgress?: ((file: Named, received: number, total: number | undefined) => void) | undefined;
  readonly startTimer?: StartTimer | undefined;
  /** Names the proxy, if there is one. */
  readonly env?: NodeJS.ProcessEnv;
}

/** A file as it is published. */
export interface PublishedFile extends Named {
  readonly bytes: number;
  readonly sha256: string;
}

/**
 * The addresses of the folders that have a set's files: $LOCKSTEP_MNIST_MIRRORS for MNIST, else the folder of the set's name at each
 * address of $LOCKSTEP_DATA_MIRRORS, else the public ones. Both variables are lists that commas separate.
 * @throws UsageError if one isn't an http or https address
 */
export function mirrorsOf(
  env: NodeJS.ProcessEnv,
  { name, mirrors }: { readonly name: string; readonly mirrors: readonly string[] } = {
    name: 'mnist',
    mirrors: MNIST_MIRRORS,
  },
): readonly string[] {
  const own = name === 'mnist' ? addressesIn('LOCKSTEP_MNIST_MIRRORS', env) : [];
  if (own.length > 0) return own;
  const given = addressesIn('LOCKSTEP_DATA_MIRRORS', env);
  return given.length === 0 ? mirrors : given.map((address) => `${address}${name}/`);
}

/** The addresses in a variable, each with a slash at its end. */
function addressesIn(variable: string, env: NodeJS.ProcessEnv): string[] {
  const given = (env[variable] ?? '').split(',').map((address) => address.trim());
  const addresses = given.filter((address) => address !== '');
  for (const address of addresses) {
    if (URL.canParse(address) && /^https?:$/.test(new URL(address).protocol)) continue;
    throw new UsageError(
      `${variable} (environment variable): expected http or https addresses separated by commas, but got ` +
        `"${address}". Correct it, or leave it out for the public mirrors.`,
    );
  }
  return addresses.map((address) => address.replace(/\/*$/, '/'));
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
  fetch(file: DataFile, bytes: Uint8Array): Promise<Fetched> {
    return this.#fromAny(file.name, (mirror) => this.#fetchFrom(mirror, file, bytes));
  }

  /**
   * Fetches a file as it is published, checked by its SHA-256.
   * @throws NoMirrorError if no mirror delivers
   */
  fetchPublished(file: PublishedFile): Promise<Sent> {
    return this.#fromAny(file.name, async (mirror) => {
      const body = await this.#download(`${mirror}${file.name}`, file, file.bytes);
      const digest = sha256(body);
      if (digest === file.sha256) return { body };
      throw new MirrorError(`sent other bytes: expected the SHA-256 ${file.sha256}, but they have ${digest}`);
    });
  }

  async #fromAny<T>(
    name: string,
    fetchFrom: (mirror: string) => Promise<T>,
  ): Promise<T & Pick<Sent, 'mirror' | 'failures'>> {
    const failures: string[] = [];
    const causes: MirrorError[] = [];
    for (const mirror of this.#addresses) {
      try {
        return { ...(await fetchFrom(mirror)), mirror, failures };
      } catch (error) {
        if (!(error instanceof MirrorError)) throw error;
        failures.push(`${mirror}, which ${error.message}`);
        causes.push(error);
        // The next file starts with a mirror that has worked.
        this.#addresses = [...this.#addresses.filter((address) => address !== mirror), mirror];
      }
    }
    throw new NoMirrorError(name, failures, causes);
  }

  async #fetchFrom(mirror: string, file: DataFile, bytes: Uint8Array): Promise<Pick<Fetched, 'body' | 'packed'>> {
    const body = await this.#download(`${mirror}${file.name}.gz`, file, bytes.length + PACKING_BYTES);
    // Some servers mark the file as a packed transfer, and then the HTTP client has unpacked it.
    const packed = body.subarray(0, GZIP_MAGIC.length).equals(GZIP_MAGIC);
    const digest = sha256(await unpacked(body, packed, bytes));
    if (digest === file.sha256) return { body, packed };
    throw new MirrorError(`sent other bytes: expected the SHA-256 ${file.sha256} (unpacked), but they have ${digest}`);
  }

  #download(url: string, file: Named, limit: number): Promise<Buffer> {
    const { onProgress, startTimer, env = {} } = this.#options;
    const progress = (received: number, total: number | undefined): void => onProgress?.(file, received, total);
    return download(url, { limit, onProgress: progress, startTimer, env });
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
