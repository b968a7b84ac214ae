import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';
import { readFile, stat } from 'node:fs/promises';
import { resolve } from 'node:path';
import { inspect } from 'node:util';
import { commandLine } from './command-line.ts';
import { editedText } from './edited-text.ts';
import { UsageError } from './errors.ts';
import { typedPath } from './shown-path.ts';

export const TOKEN_VARIABLE = 'LOCKSTEP_TOKEN';

const TOKEN_BYTES = 32;
/** 128 bits: in hex, and at 6 bits a character. */
const MIN_HEX_DIGITS = 32;
const MIN_CHARACTERS = 22;

/** Docker and its like put secrets there, readable for every user of the container. */
const CONTAINER_SECRETS = '/run/secrets/';
/** Permissions of the group and of all others to read. */
const READABLE = 0o044;

const HIDDEN = '[token]';

/** A secret, such as the one that coordinator and nodes of a run share. It can be neither printed nor logged. */
export class Token {
  readonly #key: Buffer;

  /** @param text the key is its UTF-8 bytes, whether it looks like base64url, hex or neither */
  constructor(text: string) {
    this.#key = Buffer.from(text, 'utf8');
  }

  get key(): Uint8Array {
    return this.#key;
  }

  /** Whether these bytes are the key, found out in a time that tells nothing of it. */
  equals(shown: Uint8Array): boolean {
    const digest = (bytes: Uint8Array): Buffer => createHash('sha256').update(bytes).digest();
    return timingSafeEqual(digest(shown), digest(this.#key));
  }

  toString(): string {
    return HIDDEN;
  }

  toJSON(): string {
    return HIDDEN;
  }

  [inspect.custom](): string {
    return HIDDEN;
  }
}

/** 256 random bits in base64url. */
export function newToken(): string {
  return randomBytes(TOKEN_BYTES).toString('base64url');
}

/**
 * The token in the file, else in the variable, without the space around it; undefined where neither is given.
 * @throws UsageError, which never shows the token, where the file can't be read or the token is too short or not one line of text
 */
export async function readToken({ file, env, variable = TOKEN_VARIABLE }: TokenSources): Promise<Token | undefined> {
  if (file !== undefined) return tokenOf(await textOf(file), `The token in ${file}`);
  const text = env[variable];
  return text === undefined || text === '' ? undefined : tokenOf(text, `The token in ${variable}`);
}

export interface TokenSources {
  readonly file?: string | undefined;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Its name in `env`. */
  readonly variable?: string;
}

/** Warns about each of these files of secrets that other users of this machine can read. Undefined: there is no such file. */
export async function warnOfReaders(
  files: readonly (string | undefined)[],
  warn: (line: string) => void,
): Promise<void> {
  // Windows has no such permissions.
  if (process.platform === 'win32') return;
  for (const file of new Set(files)) {
    if (file === undefined || resolve(file).startsWith(CONTAINER_SECRETS)) continue;
    const mode = await stat(file).then(
      (found) => found.mode,
      () => 0,
    );
    if ((mode & READABLE) !== 0)
      warn(`Other users can read ${file}, which holds a secret: chmod 600 ${typedPath(file)}`);
  }
}

async function textOf(file: string): Promise<string> {
  let bytes: Buffer;
  try {
    bytes = await readFile(file);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    throw new UsageError(`The token file ${file} can't be read (${code}). ${advice()}`, { cause: error });
  }
  try {
    return editedText(bytes);
  } catch {
    // The decoder's error could quote what it read: it is no cause.
    throw new UsageError(`The token file ${file} isn't UTF-8 text. ${advice()}`);
  }
}

function tokenOf(untrimmed: string, what: string): Token {
  const text = untrimmed.trim();
  if (/\p{Cc}/u.test(text)) throw new UsageError(`${what} isn't one line of text. ${advice()}`);
  const isHex = /^[0-9a-f]*$/i.test(text);
  const characters = [...text.replace(/=+$/, '')].length;
  if (characters < (isHex ? MIN_HEX_DIGITS : MIN_CHARACTERS)) {
    throw new UsageError(
      `${what} is too short: expected at least 128 bits (${MIN_CHARACTERS} characters, or ${MIN_HEX_DIGITS} hex digits). ${advice()}`,
    );
  }
  return new Token(text);
}

function advice(): string {
  return `\`${commandLine('token --out FILE', process.env)}\` makes a new one.`;
}
