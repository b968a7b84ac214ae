import { execFile } from 'node:child_process';
import { createHash, randomUUID } from 'node:crypto';
import { link, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { z } from 'zod';
import { RunLockError } from '../../shared/util/errors.ts';

const FILE = 'run.lock';
const ATTEMPTS = 10;

// A pid of 0 or below would ask the system about a whole process group.
const Owner = z.object({ host: z.string(), pid: z.int32().positive(), start: z.string().optional(), token: z.uuid() });
type Owner = z.infer<typeof Owner>;

type FoundState = 'held' | 'stale' | 'foreign' | 'unreadable';

/** What the lock of a run directory says; foreign: of another host, from which nobody can tell whether it lives. */
export type LockState =
  | { readonly state: 'free' }
  | { readonly state: FoundState; readonly owner?: { readonly host: string; readonly pid: number } };

interface Found {
  readonly state: FoundState;
  readonly owner: Owner | undefined;
  readonly text: string;
  readonly since: Date;
}

/** The contents of the locks that this process holds: a lock of our pid that isn't among them is of an earlier process. */
const ours = new Set<string>();

/** A run directory's lock: while it is held, no other coordinator that asks for it writes there. */
export class RunLock {
  readonly #path: string;
  readonly #own: string;
  #lost: RunLockError | undefined;
  /** The checks one after the other, then the release: a check that overlaps it would put the file back. */
  #queue: Promise<void> = Promise.resolve();

  private constructor(path: string, own: string) {
    this.#path = path;
    this.#own = own;
  }

  /**
   * Takes the lock of a run's folder, which must exist. A lock whose process has ended is taken over, and `say` is told;
   * `force` also takes one of another host and one that can't be read.
   * @throws RunLockError where another coordinator holds it or may hold it, or the file can't be written
   */
  static async acquire(
    folder: string,
    { force, print }: { force: boolean; print: (line: string) => void },
  ): Promise<RunLock> {
    const path = join(folder, FILE);
    const start = await startOf(process.pid);
    const own = `${JSON.stringify({ host: hostname(), pid: process.pid, start, token: randomUUID() })}\n`;
    ours.add(own);
    try {
      const replaced = await take(path, own, force);
      if (replaced) print(`Took over ${path} from ${nameOf(replaced.owner)} (${replaced.state}).`);
      return new RunLock(path, own);
    } catch (error) {
      ours.delete(own);
      if (error instanceof RunLockError) throw error;
      const problem = `${path} can't be written: ${(error as Error).message}.`;
      throw new RunLockError(`${problem} Check that the folder exists and can be written.`, { cause: error });
    }
  }

  /**
   * Looks whether the lock is still held, and puts its file back where somebody removed it.
   * @throws RunLockError with `lost`, now and ever after, where another coordinator has it or it was released; the file
   * system's error where it can't tell, such as ENOENT where the folder is missing
   */
  check(): Promise<void> {
    return this.#enqueue(() => this.#check());
  }

  /**
   * Removes the lock where it is still held.
   * @throws the file system's error where it can't; a missing file or folder is none
   */
  release(): Promise<void> {
    return this.#enqueue(() => this.#release());
  }

  #enqueue(operation: () => Promise<void>): Promise<void> {
    this.#queue = this.#queue.catch(() => {}).then(operation);
    return this.#queue;
  }

  async #check(): Promise<void> {
    if (this.#lost) throw this.#lost;
    const text = await textOf(this.#path);
    if (text === this.#own || (text === undefined && (await create(this.#path, this.#own)))) return;
    const taker = nameOf(ownerOf(text ?? ''));
    this.#lost = new RunLockError(
      `This process no longer holds ${this.#path}: ${taker} took it. Let one coordinator alone write a run directory.`,
      { lost: true },
    );
    throw this.#lost;
  }

  async #release(): Promise<void> {
    this.#lost ??= new RunLockError(`${this.#path} was released. Acquire it again.`, { lost: true });
    ours.delete(this.#own);
    if ((await textOf(this.#path)) === this.#own) await rm(this.#path, { force: true });
  }
}

/** Tells who holds a run's folder; free too where there is no such folder. Never throws. */
export async function lockState(folder: string): Promise<LockState> {
  try {
    const found = await read(join(folder, FILE));
    if (found === undefined) return { state: 'free' };
    const { state, owner } = found;
    return owner ? { state, owner: { host: owner.host, pid: owner.pid } } : { state };
  } catch {
    return { state: 'unreadable' };
  }
}

/**
 * Creates a file with all of `text` at once; where the file system has no hard links, a reader may see it half written.
 * @returns false where the path holds another text
 * @throws the file system's error
 */
export async function create(path: string, text: string, hardLink = link): Promise<boolean> {
  try {
    await withTemporary(path, text, (temporary) =>
      hardLink(temporary, path).catch((error: NodeJS.ErrnoException) => {
        if (error.code === 'EEXIST') throw error;
        // File systems without hard links differ in the code that says so; where it was another failure, this one fails too.
        return writeFile(path, text, { flag: 'wx', flush: true });
      }),
    );
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    // NFS can answer that the path exists when it has just linked it for us: its first answer got lost.
    return (await textOf(path)) === text;
  }
}

/** Puts `own` at the path. Returns the lock that it replaced, where there was one. */
async function take(path: string, own: string, force: boolean): Promise<Found | undefined> {
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    if (await create(path, own)) return undefined;
    const found = await read(path);
    if (found === undefined) continue;
    if (found.state === 'held' || (found.state !== 'stale' && !force)) throw refusal(path, found);
    if (await replace(path, found, { own, force })) return found;
  }
  throw new RunLockError(`${path} keeps changing hands: other coordinators start and end in this folder. Try again.`);
}

/**
 * Replaces the lock that was found, under a guard named after its contents: only the guard's holder may replace it, and the
 * path is never empty meanwhile, so that nobody else can slip in. A guard is itself a lock: a dead process's is taken over.
 */
async function replace(path: string, found: Found, { own, force }: { own: string; force: boolean }): Promise<boolean> {
  const guard = `${path}.${createHash('sha256').update(found.text).digest('hex').slice(0, 16)}`;
  await take(guard, own, force);
  try {
    // Another process may have replaced it and dropped the guard since we read it.
    if ((await textOf(path)) !== found.text) return false;
    await withTemporary(path, own, (temporary) => rename(temporary, path));
    return true;
  } finally {
    await rm(guard, { force: true });
  }
}

async function withTemporary(path: string, text: string, use: (temporary: string) => Promise<void>): Promise<void> {
  const temporary = `${path}.${randomUUID()}.tmp`;
  try {
    // Flushed, or a power cut may leave an empty lock, which nobody can judge.
    await writeFile(temporary, text, { flag: 'wx', flush: true });
    await use(temporary);
  } finally {
    await rm(temporary, { force: true });
  }
}

async function textOf(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}

async function read(path: string): Promise<Found | undefined> {
  const text = await textOf(path);
  const since = await stat(path).catch(() => undefined);
  if (text === undefined || since === undefined) return undefined;
  const owner = ownerOf(text);
  return { state: await stateOf(text, owner), owner, text, since: since.mtime };
}

function ownerOf(text: string): Owner | undefined {
  try {
    return Owner.parse(JSON.parse(text));
  } catch {
    return undefined;
  }
}

async function stateOf(text: string, owner: Owner | undefined): Promise<FoundState> {
  if (owner === undefined) return 'unreadable';
  if (owner.host !== hostname()) return 'foreign';
  if (owner.pid === process.pid) return ours.has(text) ? 'held' : 'stale';
  try {
    process.kill(owner.pid, 0);
  } catch (error) {
    // EPERM: it lives and is another user's.
    if ((error as NodeJS.ErrnoException).code === 'ESRCH') return 'stale';
  }
  const start = await startOf(owner.pid);
  return start === undefined || owner.start === undefined || start === owner.start ? 'held' : 'stale';
}

/** What tells a process from a later one of the same pid; undefined where the system doesn't say. */
async function startOf(pid: number): Promise<string | undefined> {
  try {
    if (process.platform !== 'linux') {
      // Another language or time zone would print another start for the same process.
      const env = { ...process.env, LC_ALL: 'C', TZ: 'UTC' };
      const { stdout } = await promisify(execFile)('ps', ['-o', 'lstart=', '-p', String(pid)], { env });
      return stdout.trim() || undefined;
    }
    const line = await readFile(`/proc/${pid}/stat`, 'utf8');
    // Field 2, the command's name in parentheses, may hold spaces and parentheses; field 3 follows the last one.
    const fields = line.slice(line.lastIndexOf(')') + 2).split(' ');
    // A zombie keeps its pid for as long as its parent doesn't ask for its end: in a container perhaps for ever.
    if (fields[0] === 'Z') return 'ended';
    return `${(await readFile('/proc/sys/kernel/random/boot_id', 'utf8')).trim()}:${fields[19]}`;
  } catch {
    return undefined;
  }
}

function nameOf(owner: Owner | undefined): string {
  return owner ? `process ${owner.pid} on host ${owner.host}` : 'an unknown process';
}

function refusal(path: string, { state, owner, since }: Found): RunLockError {
  const holder = `${path} is held by ${nameOf(owner)} since ${since.toISOString()}`;
  const force = 'Where you are sure that no other coordinator writes this run, pass --force-unlock.';
  if (state === 'held') return new RunLockError(`${holder}. That process lives: wait for it, or end it first.`);
  if (state === 'foreign')
    return new RunLockError(`${holder}; host ${hostname()} can't tell whether it lives. ${force}`);
  return new RunLockError(`${path} holds no readable lock: expected a line of JSON with host, pid and token. ${force}`);
}
