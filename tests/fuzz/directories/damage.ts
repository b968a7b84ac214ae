// What is done to a run directory, and how.
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { type Json, type Path, placesIn, replacedIn } from './values.ts';

/** Documents of JSON in a run directory. */
export const DOCUMENTS = [
  'run.json',
  'run.lock',
  'remote-write.json',
  'nodes.json',
  'steps.jsonl',
  'checkpoint',
] as const;
export type Document = (typeof DOCUMENTS)[number];

/** What a file is replaced by. */
export const STANDINS = [
  'a link to a copy of it elsewhere',
  'a link to another file',
  'a link to a folder',
  'a link to nothing, elsewhere',
  'a link to itself',
  'a link to its own folder',
  'a link to /dev/zero',
  'a link to /dev/random',
  'a link to /dev/null',
  'a link to /dev/tty',
  'a link to a pipe',
  'a pipe',
  'a character device',
  'a folder',
  'a folder of many files',
  'a deep folder',
  'nothing',
  'an empty file',
  'zeros of 3 GB',
  'a long line',
  'random bytes',
  'an unreadable file',
] as const;
export type Standin = (typeof STANDINS)[number];

export type Damage =
  | { readonly kind: 'a field'; readonly of: Document; readonly path: Path; readonly value: string }
  | { readonly kind: 'a file'; readonly file: string; readonly by: Standin }
  /** Cut at a share of its length. */
  | { readonly kind: 'cut'; readonly file: string; readonly share: number }
  /** Bits flipped, each at a share of the length; with `signed`, a checkpoint's own digest is that of the damaged bytes. */
  | { readonly kind: 'bits'; readonly file: string; readonly shares: readonly number[]; readonly signed: boolean }
  | { readonly kind: 'weights'; readonly value: number };

export const CHECKPOINT = join('checkpoints', 'step-00000020.safetensors');

/** Files that a run directory has or may have. */
export const FILES = [
  'run.json',
  'run.lock',
  'steps.jsonl',
  'remote-write.json',
  'nodes.json',
  'report.html',
  'checkpoints',
  CHECKPOINT,
  join('checkpoints', 'step-00000010.safetensors'),
  join('checkpoints', 'step-00000025.safetensors'),
  'tensorboard',
] as const;

const LOCK = { host: 'elsewhere', pid: 1, start: 'x:1', token: '2f1f0f3c-7f4e-4f43-9d42-9a6f2f6e0a11' };

/** The fields of a document of a run. */
export function fieldsOf(run: string, document: Document): Path[] {
  return placesIn(readDocument(run, document));
}

export function described(damage: Damage): string {
  switch (damage.kind) {
    case 'a field':
      return `${damage.of}: ${damage.path.join('.') || 'all'} = ${damage.value.slice(0, 80)}`;
    case 'a file':
      return `${damage.file}: ${damage.by}`;
    case 'cut':
      return `${damage.file}: cut at ${damage.share}`;
    case 'bits':
      return `${damage.file}: bits flipped at ${damage.shares.join(', ')}${damage.signed ? ', signed' : ''}`;
    case 'weights':
      return `weights: ${damage.value}`;
  }
}

/** @param canaries a folder of files that nobody may change, among them copies of the run's */
export function apply(damage: Damage, run: string, canaries: string): void {
  switch (damage.kind) {
    case 'a field':
      setField(run, damage);
      break;
    case 'a file':
      replaceBy(join(run, damage.file), damage.by, { canaries, name: damage.file });
      break;
    case 'cut': {
      const file = join(run, damage.file);
      if (isFile(file)) truncateSync(file, Math.floor(damage.share * statSync(file).size));
      break;
    }
    case 'bits':
      flip(join(run, damage.file), damage.shares, damage.signed);
      break;
    case 'weights':
      setWeights(join(run, CHECKPOINT), damage.value);
  }
}

function isFile(path: string): boolean {
  return existsSync(path) && statSync(path).isFile();
}

function readDocument(run: string, document: Document): Json {
  switch (document) {
    case 'run.json':
    case 'nodes.json':
      return JSON.parse(readFileSync(join(run, document), 'utf8'));
    case 'run.lock':
      return LOCK;
    case 'remote-write.json':
      return { url: 'x', step: 3, at: 1, offset: 100, sent: 3 };
    case 'steps.jsonl':
      return JSON.parse(readFileSync(join(run, document), 'utf8').split('\n')[9] as string);
    case 'checkpoint': {
      const header = headerOf(readFileSync(join(run, CHECKPOINT)));
      const { config = '', digests = '', ...texts } = header.json.__metadata__ ?? {};
      return { ...header.json, __metadata__: { ...texts, config: JSON.parse(config), digests: JSON.parse(digests) } };
    }
  }
}

function setField(run: string, { of, path, value }: Extract<Damage, { kind: 'a field' }>): void {
  const before = readDocument(run, of);
  // An option that differs from its default was given.
  if (of === 'run.json' && path[0] === 'config' && path[1] !== undefined)
    (before as { explicit: (string | number)[] }).explicit.push(path[1]);
  const json = replacedIn(before, path, value);
  if (of === 'steps.jsonl') {
    const lines = readFileSync(join(run, of), 'utf8').split('\n');
    lines[9] = json.replaceAll(/\n */g, '');
    writeFileSync(join(run, of), lines.join('\n'));
  } else if (of === 'checkpoint') setHeader(join(run, CHECKPOINT), path, json);
  else writeFileSync(join(run, of), json);
}

function headerOf(bytes: Buffer): { readonly json: Record<string, Record<string, string>>; readonly end: number } {
  const end = 8 + Number(bytes.readBigUInt64LE());
  return { json: JSON.parse(bytes.toString('utf8', 8, end)), end };
}

/** Writes a checkpoint with another header; JSON within its metadata are texts again. */
function setHeader(file: string, path: Path, json: string): void {
  const bytes = readFileSync(file);
  const { end } = headerOf(bytes);
  const isInner = path[0] === '__metadata__' && (path[1] === 'config' || path[1] === 'digests');
  let header = json;
  try {
    const parsed = JSON.parse(json);
    const { config, digests, ...texts } = parsed.__metadata__;
    const inner = (value: unknown): unknown => (path.length === 2 && isInner ? value : JSON.stringify(value));
    parsed.__metadata__ = { ...texts, config: inner(config), digests: inner(digests) };
    header = JSON.stringify(parsed);
  } catch {
    // The header is no longer one with metadata: as it is then.
  }
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(Buffer.byteLength(header)));
  writeFileSync(file, signed(Buffer.concat([length, Buffer.from(header), bytes.subarray(end)])));
}

/** With the digest of its own bytes, as somebody writes it who wants it to be read. */
function signed(bytes: Buffer): Buffer {
  const key = '"sha256":"';
  const at = bytes.indexOf(key) + key.length;
  if (at < key.length || at + 64 > bytes.length) return bytes;
  bytes.fill('0', at, at + 64);
  bytes.write(createHash('sha256').update(bytes).digest('hex'), at, 'latin1');
  return bytes;
}

function setWeights(file: string, value: number): void {
  const bytes = readFileSync(file);
  for (let at = headerOf(bytes).end; at + 4 <= bytes.length; at += 4) bytes.writeFloatLE(value, at);
  writeFileSync(file, signed(bytes));
}

function flip(file: string, shares: readonly number[], isSigned: boolean): void {
  if (!isFile(file)) return;
  const bytes = readFileSync(file);
  if (bytes.length === 0) return;
  for (const share of shares) {
    const at = Math.min(bytes.length - 1, Math.floor(share * bytes.length));
    bytes[at] = (bytes[at] as number) ^ (1 << (Math.floor(share * 8192) % 8));
  }
  writeFileSync(file, isSigned ? signed(bytes) : bytes);
}

/** Replaces a file or a folder, or puts something where there was none. */
function replaceBy(
  path: string,
  by: Standin,
  { canaries, name }: { readonly canaries: string; readonly name: string },
) {
  if (!existsSync(dirname(path))) return;
  const text = isFile(path) ? readFileSync(path) : Buffer.from('nothing\n');
  rmSync(path, { recursive: true, force: true });
  const link = (to: string): void => symlinkSync(to, path);
  const pipe = (at: string): void => void execFileSync('mkfifo', [at]);
  const made: Record<Standin, () => void> = {
    'a link to a copy of it elsewhere': () => link(join(canaries, 'copy', name)),
    'a link to another file': () => link(join(canaries, 'file')),
    'a link to a folder': () => link(join(canaries, 'folder')),
    'a link to nothing, elsewhere': () => link(join(canaries, 'new')),
    'a link to itself': () => link(path),
    'a link to its own folder': () => link('.'),
    'a link to /dev/zero': () => link('/dev/zero'),
    'a link to /dev/random': () => link('/dev/random'),
    'a link to /dev/null': () => link('/dev/null'),
    'a link to /dev/tty': () => link('/dev/tty'),
    'a link to a pipe': () => link(join(canaries, 'pipe')),
    'a pipe': () => pipe(path),
    'a character device': () => device(path),
    'a folder': () => mkdirSync(path),
    'a folder of many files': () => fill(path),
    'a deep folder': () => mkdirSync(join(path, 'x/'.repeat(500)), { recursive: true }),
    nothing: () => {},
    'an empty file': () => writeFileSync(path, ''),
    'zeros of 3 GB': () => {
      writeFileSync(path, '');
      truncateSync(path, 3e9);
    },
    'a long line': () => writeFileSync(path, Buffer.concat([text, Buffer.alloc(20_000_000, 'x')])),
    'random bytes': () => writeFileSync(path, createHash('sha512').update(text).digest()),
    'an unreadable file': () => {
      writeFileSync(path, text);
      chmodSync(path, 0);
    },
  };
  made[by]();
}

/** Only root may make one; whoever isn't links to it. */
function device(path: string): void {
  try {
    execFileSync('mknod', [path, 'c', '1', '5'], { stdio: 'ignore' });
  } catch {
    symlinkSync('/dev/zero', path);
  }
}

function fill(folder: string): void {
  mkdirSync(folder);
  for (let step = 1; step <= 1000; step++) {
    writeFileSync(join(folder, `step-${String(step).padStart(8, '0')}.safetensors`), 'x');
  }
}

/** Copies a run without following what is in it. */
export function copyRun(from: string, to: string): void {
  cpSync(from, to, { recursive: true, verbatimSymlinks: true });
}
