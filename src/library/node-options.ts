// What a node is told on the command line and by callers of the library alike.
import { X509Certificate } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { DURATION_TEXT, Duration, secondsOf } from '../shared/config/duration.ts';
import { MAX_WORKERS } from '../shared/config/schema.ts';
import { UsageError } from '../shared/util/errors.ts';

/** The address of a coordinator. @throws UsageError if it isn't one, or holds a token */
export function nodeUrl(text: string): string {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url?.protocol !== 'ws:' && url?.protocol !== 'wss:') {
    throw new UsageError(`--connect: expected ws://HOST:PORT or wss://HOST:PORT, but got "${text}".`);
  }
  if (url.username !== '' || url.password !== '' || url.search !== '' || url.hash !== '') {
    throw new UsageError(
      '--connect: a URL must not contain a token. Put it into a file, and pass that by --token-file.',
    );
  }
  if (url.port === '0')
    throw new UsageError(`--connect ${text}: expected the port on which the coordinator listens, but got 0.`);
  return text;
}

/** @throws UsageError if that is no number of threads */
export function nodeThreads(given: unknown): number | 'auto' {
  if (given === undefined || given === 'auto') return 'auto';
  const threads = /^\d+$/.test(String(given)) ? Number(given) : 0;
  if (threads >= 1 && threads <= MAX_WORKERS) return threads;
  throw new UsageError(`--threads: expected auto or a whole number from 1 to ${MAX_WORKERS}, but got "${given}".`);
}

/** @throws UsageError if that is no duration */
export function secondsToGiveUp(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  if (Duration.safeParse(text).success) return secondsOf(text);
  throw new UsageError(`--give-up-after: expected ${DURATION_TEXT}, but got "${text}".`);
}

const CERTIFICATE = /-----BEGIN CERTIFICATE-----[^-]*-----END CERTIFICATE-----/g;

/** The certificates of a file. @throws UsageError if it can't be read, or holds none, for which Node.js would trust nobody without a word */
export async function trustedCertificates(file: string | undefined, url: string): Promise<Buffer | undefined> {
  if (file === undefined) return undefined;
  const refuse = (problem: string, cause?: unknown): never => {
    throw new UsageError(`--tls-ca: ${file} ${problem}.`, { cause });
  };
  const bytes = await readFile(file).catch((error: Error) => refuse(`can't be read: ${error.message}`, error));
  const certificates = bytes.toString('latin1').match(CERTIFICATE) ?? [];
  if (certificates.length === 0) {
    refuse(
      'holds no certificate: expected a file in PEM form, with a block that begins with -----BEGIN CERTIFICATE-----',
    );
  }
  for (const [index, certificate] of certificates.entries()) {
    try {
      new X509Certificate(certificate);
    } catch (error) {
      refuse(
        `holds a certificate that is damaged (number ${index + 1} of ${certificates.length}): ${(error as Error).message}`,
        error,
      );
    }
  }
  if (new URL(url).protocol === 'ws:') refuse(`can't be of use for ${url}: expected wss://, since ws:// has no TLS`);
  return bytes;
}
