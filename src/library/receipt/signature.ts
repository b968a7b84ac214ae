import { createHash, createPrivateKey, createPublicKey, type KeyObject, sign, verify } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { canonicalJson } from '../../shared/util/canonical-json.ts';
import { UsageError } from '../../shared/util/errors.ts';
import { shownPath } from '../../shared/util/shown-path.ts';
import { type Receipt, signedText } from './receipt.ts';

export interface SignatureCheck {
  readonly isSigned: boolean;
  /** Whether it is by the key that it names and, if one was given, by that one. */
  readonly same: boolean;
  /** The key's fingerprint: the SHA-256 of its DER. */
  readonly key?: string;
  readonly problem?: string;
}

/** A receipt with a signature. @throws UsageError if the file doesn't hold a private key for Ed25519 */
export async function signed(receipt: Receipt, keyFile: string): Promise<Receipt> {
  const key = await keyIn(keyFile, '--sign', createPrivateKey);
  const signature = {
    key: derOf(createPublicKey(key)).toString('base64'),
    ed25519: sign(null, Buffer.from(signedText(receipt)), key).toString('base64'),
  };
  return { ...receipt, signature };
}

/** The text of a receipt's file. */
export function receiptText(receipt: Receipt): string {
  return `${canonicalJson(receipt)}\n`;
}

/**
 * Checks a receipt's signature.
 * @param keyFile the public key of the one who must have signed it; undefined: whoever it names
 * @throws UsageError if the file doesn't hold a key for Ed25519
 */
export async function checkSignature(receipt: Receipt, keyFile: string | undefined): Promise<SignatureCheck> {
  const wanted = keyFile === undefined ? undefined : await keyIn(keyFile, '--key', createPublicKey);
  const { signature } = receipt;
  if (signature === undefined) {
    return { isSigned: false, same: wanted === undefined, ...(wanted && { problem: "it isn't signed" }) };
  }
  const own = ownKey(signature.key);
  if (own === undefined) return { isSigned: true, same: false, problem: 'it names no key for Ed25519' };
  const key = fingerprint(own);
  if (wanted !== undefined && !derOf(wanted).equals(derOf(own))) {
    return { isSigned: true, same: false, key, problem: `it is by another key, not ${fingerprint(wanted)}` };
  }
  const bytes = Buffer.from(signature.ed25519, 'base64');
  // Base64 in another way, or with something behind it, would be another text for the same signature.
  const isRight =
    bytes.toString('base64') === signature.ed25519 && verify(null, Buffer.from(signedText(receipt)), own, bytes);
  return { isSigned: true, same: isRight, key, ...(isRight ? {} : { problem: "it isn't of these contents" }) };
}

function ownKey(base64: string): KeyObject | undefined {
  try {
    const key = createPublicKey({ key: Buffer.from(base64, 'base64'), format: 'der', type: 'spki' });
    return key.asymmetricKeyType === 'ed25519' && derOf(key).toString('base64') === base64 ? key : undefined;
  } catch {
    return undefined;
  }
}

async function keyIn(file: string, flag: string, create: (pem: Buffer) => KeyObject): Promise<KeyObject> {
  const wrong = (problem: string, cause?: unknown): UsageError =>
    new UsageError(
      `${flag} ${shownPath(file)}: ${problem}. Expected a PEM file with a key for Ed25519, such as ` +
        '`openssl genpkey -algorithm ed25519 -out key.pem` makes (public: `openssl pkey -in key.pem -pubout`).',
      { cause },
    );
  let key: KeyObject;
  try {
    key = create(await readFile(file));
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    throw wrong(
      code?.startsWith('E') && !code.startsWith('ERR') ? `it can't be read (${code})` : 'it holds no such key',
    );
  }
  if (key.asymmetricKeyType !== 'ed25519') throw wrong(`it holds a key for ${key.asymmetricKeyType}`);
  return key;
}

function derOf(key: KeyObject): Buffer {
  return key.export({ type: 'spki', format: 'der' });
}

function fingerprint(key: KeyObject): string {
  return `SHA256:${createHash('sha256').update(derOf(key)).digest('base64')}`;
}
