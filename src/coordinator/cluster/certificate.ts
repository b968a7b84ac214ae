import { createPrivateKey, type KeyObject, X509Certificate } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import type { TrainConfig } from '../../shared/config/config.ts';
import { UsageError } from '../../shared/util/errors.ts';

/** A certificate, with those of its authorities, and its private key, both in PEM. */
export interface Certificate {
  readonly cert: Buffer;
  readonly key: Buffer;
}

/**
 * The certificate that --tls-cert and --tls-key name; undefined without them.
 * @throws UsageError if only one of them is given, a file can't be read or holds something else, or the key is another certificate's
 */
export async function certificateOf({ tlsCert, tlsKey }: TrainConfig): Promise<Certificate | undefined> {
  if (tlsCert === undefined && tlsKey === undefined) return undefined;
  if (tlsCert === undefined || tlsKey === undefined) {
    throw new UsageError('--tls-cert and --tls-key: give both, or neither.');
  }
  const pair = { cert: await fileOf('--tls-cert', tlsCert), key: await fileOf('--tls-key', tlsKey) };
  const certificate = parsedCertificate(tlsCert, pair.cert);
  if (!certificate.checkPrivateKey(parsedKey(tlsKey, pair.key))) {
    throw new UsageError(
      `--tls-key: ${tlsKey} isn't the key of the certificate in ${tlsCert}. Name the key with which that certificate was made.`,
    );
  }
  return pair;
}

async function fileOf(flag: string, path: string): Promise<Buffer> {
  try {
    return await readFile(path);
  } catch (error) {
    throw new UsageError(`${flag}: ${path} can't be read: ${(error as Error).message}.`, { cause: error });
  }
}

function parsedCertificate(path: string, cert: Buffer): X509Certificate {
  try {
    // It would take DER too, but TLS takes PEM alone.
    if (cert.includes('-----BEGIN ')) return new X509Certificate(cert);
  } catch {
    // OpenSSL's reasons say nothing to a person.
  }
  throw new UsageError(
    `--tls-cert: ${path} holds no certificate in PEM, which begins with "-----BEGIN CERTIFICATE-----". Name such a file.`,
  );
}

function parsedKey(path: string, key: Buffer): KeyObject {
  if (/^(-----BEGIN |Proc-Type: ).*ENCRYPTED/m.test(key.toString('latin1'))) {
    throw new UsageError(
      `--tls-key: ${path} is protected by a passphrase, which nobody could type when the run is started again. ` +
        'Name a key without one, which `openssl pkey -in KEY -out NEW` writes, and let only its owner read it.',
    );
  }
  try {
    return createPrivateKey(key);
  } catch {
    throw new UsageError(
      `--tls-key: ${path} holds no private key in PEM, which begins with "-----BEGIN PRIVATE KEY-----". Name such a file.`,
    );
  }
}
