import { createHash, randomUUID } from 'node:crypto';
import { link, rename, rm, stat, writeFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { z } from 'zod';
import { RunLockError } from '../../shared/util/errors.ts';
import type { Print } from '../../shared/util/notice.ts';
import { readPlainFile } from '../../shared/util/plain-file.ts';
import { LOCK } from './files.ts';
import { processStart } from './process-start.ts';

const ATTEMPTS = 10;
const MAX_BYTES = 1 << 16;

// Positive, because kill(2) takes a pid of 0 or below for a whole process group.
const Owner = z.object({ host: z.string(), pid: z.int32().positive(), start: z.string().optional(), token: z.uuid() });
type Owner = z.infer<typeof Owner>;

type FoundState = 'held' | 'stale' | 'foreign' | 'unreadable';

/**
 * The state of a run directory's lock. `held`: its process is alive; `stale`: its process has ended; `foreign`: its process is on
 * another host, so this host can't know whether it is alive.
 */
export interface LockState {
  readonly state: 'free' | FoundState;
  /** Undefined if the lock is free or unreadable. */
  readonly owner?: { readonly host: string; readonly pid: number };
}

interface Found {
  readonly state: FoundState;
  readonly owner: Owner | undefined;
  readonly text: string;
  readonly since: Date;
}

/** The contents of the locks that this process holds. Another lock with this process's pid is from an earlier process. */
const ours = new Set<string>();

/** A run directory's lock: coordinators write to the directory only while they hold it. */
export class RunLock {
  readonly #path: string;
  readonly #own: string;
  #lost: RunLockError | undefined;
  /** Checks and the release run one after the other: a check during the release would restore the file. */
  #queue: Promise<void> = Promise.resolve();

  private constructor(path: string, own: string) {
    this.#path = path;
    this.#own = own;
  }

  /**
   * Takes the lock of a run's folder, which must exist. A lock whose process has ended is taken over, and a line is printed;
   * with `force`, so is one of another host and one that can't be read.
   * @throws RunLockError if another coordinator holds it or may hold it, or the file can't be written
   */
  static async acquire(folder: string, { force, print }: { force: boolean; print: Print }): Promise<RunLock> {
    const path = join(folder, LOCK);
    const start = await processStart(process.pid);
    const own = `${JSON.stringify({ host: hostname(), pid: process.pid, start, token: randomUUID() })}\n`;
    ours.add(own);
    try {
      const replaced = await take(path, own, force);
      if (replaced) {
        const line = `Took over ${path} from ${nameOf(replaced.owner)} (${replaced.state}).`;
        print(line, replaced.state === 'stale' ? 'info' : 'warn');
      }
      return new RunLock(path, own);
    } catch (error) {
      ours.delete(own);
      if (error instanceof RunLockError) throw error;
      const problem = `${path} can't be written: ${(error as Error).message}.`;
      throw new RunLockError(`${problem} Check that the folder exists and can be written.`, { cause: error });
    }
  }

  /**
   * Checks that the lock is still held, and restores its file if it was removed.
   * @throws RunLockError with `lost`, on this and every later call, if another coordinator has it or it was released; the file
   * system's error if the check fails, such as ENOENT if the folder is missing
   */
  check(): Promise<void> {
    return this.#enqueue(() => this.#check());
  }

  /**
   * Removes the lock if it is still held.
   * @throws the file system's error if that fails; a missing file or folder is no error
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

/** The state of a folder's lock; `free` if there is no such folder. Never throws. */
export async function lockState(folder: string): Promise<LockState> {
  try {
    const found = await read(join(folder, LOCK));
    if (found === undefined) return { state: 'free' };
    const { state, owner } = found;
    return owner ? { state, owner: { host: owner.host, pid: owner.pid } } : { state };
  } catch {
    return { state: 'unreadable' };
  }
}

/**
 * Creates a file with `text` atomically. If the file system has no hard links, a reader may see an incomplete file.
 * @returns false if the path already holds another text
 * @throws the file system's error
 */
export async function create(path: string, text: string, hardLink = link): Promise<boolean> {
  try {
    await withTemporary(path, text, (temporary) =>
      hardLink(temporary, path).catch((error: NodeJS.ErrnoException) => {
        if (error.code === 'EEXIST') throw error;
        // File systems without hard links report different codes. After any other failure, this write fails too.
        return writeFile(path, text, { flag: 'wx', flush: true });
      }),
    );
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    // NFS may report that the path exists although this call made the link: the first reply was lost, and the call was repeated.
    return (await textOf(path)) === text;
  }
}

/** Writes `own` to the path. Returns the lock that it replaced, if there was one. */
async function take(path: string, own: string, force: boolean): Promise<Found | undefined> {
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    if (await create(path, own)) return undefined;
    const found = await read(path);
    if (found === undefined) continue;
    if (found.state === 'held' || (found.state !== 'stale' && !force)) throw refusal(path, found);
    if (await replace(path, found, { own, force })) return found;
  }
  throw new RunLockError(`${path} keeps changing: other coordinators start and end in this folder. Try again.`);
}

/**
 * Replaces the lock that was found, while holding a guard file named after its contents: only the guard's holder may replace it. The
 * path always holds a lock meanwhile, so that no other process can create one. A guard is itself a lock, and is taken over if its
 * process has ended.
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
    // Flushed, because a power cut could leave an empty lock, whose owner would be unknown.
    await writeFile(temporary, text, { flag: 'wx', flush: true });
    await use(temporary);
  } finally {
    await rm(temporary, { force: true });
  }
}

async function textOf(path: string): Promise<string | undefined> {
  try {
    return String(await readPlainFile(path, MAX_BYTES));
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
    // EPERM means that the process is alive and another user's.
    if ((error as NodeJS.ErrnoException).code === 'ESRCH') return 'stale';
  }
  const start = await processStart(owner.pid);
  return start === undefined || owner.start === undefined || start === owner.start ? 'held' : 'stale';
}

function nameOf(owner: Owner | undefined): string {
  return owner ? `process ${owner.pid} on host ${owner.host}` : 'an unknown process';
}

function refusal(path: string, { state, owner, since }: Found): RunLockError {
  const holder = `${path} is held by ${nameOf(owner)} since ${since.toISOString()}`;
  const force = 'If you are sure that no other coordinator writes this run, pass --force-unlock.';
  if (state === 'held') return new RunLockError(`${holder}. That process is alive: wait for it, or end it first.`);
  if (state === 'foreign') {
    return new RunLockError(`${holder}; host ${hostname()} can't check whether that process is alive. ${force}`);
  }
  return new RunLockError(`${path} holds no readable lock: expected a line of JSON with host, pid and token. ${force}`);
}
