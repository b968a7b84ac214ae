import { createHash, randomUUID } from 'node:crypto';
import { link, rename, rm, stat, writeFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { RunLockError } from '../../shared/util/errors.ts';
import type { Print } from '../../shared/util/notice.ts';
import { openPlainFile, readPlainFile } from '../../shared/util/plain-file.ts';
import { LOCK } from './files.ts';
import {
  isGone,
  LEASE_SECONDS,
  type LockProof,
  nameOf,
  newOwner,
  type Owner,
  type OwnerState,
  ownerOf,
  ownerState,
  RENEW_SECONDS,
} from './lock-owner.ts';

const ATTEMPTS = 10;
const MAX_BYTES = 1 << 16;
/** How often a lock that is held for moments is asked for, and the pause between. */
const TURNS = 400;
const TURN_MS = 25;

/**
 * The state of a run directory's lock. `held`: its process is alive; `stale`: its process has ended, or has stopped renewing it;
 * `foreign`: its process is on another host, so this host can't know whether it is alive.
 */
export interface LockState {
  readonly state: 'free' | 'held' | 'stale' | 'foreign' | 'unreadable';
  /** Undefined if the lock is free or unreadable. */
  readonly owner?: { readonly host: string; readonly pid: number };
}

interface Found {
  readonly state: OwnerState;
  readonly owner: Owner | undefined;
  readonly text: string;
  readonly since: Date;
}

export interface LockOptions extends LockProof {
  /** Also take over the lock of another host's process, or one that can't be read. */
  readonly force: boolean;
  readonly print: Print;
}

/** The contents of the locks that this process holds. */
const ours = new Set<string>();

/** A run directory's lock: coordinators write to the directory only while they hold it. */
export class RunLock {
  readonly #path: string;
  readonly #own: string;
  readonly #renewals: NodeJS.Timeout;
  /** Whether the holder before may be alive all the same, and come back. */
  readonly hasLateHolder: boolean;
  #lost: RunLockError | undefined;
  /** Checks and the release run one after the other: a check during the release would restore the file. */
  #queue: Promise<void> = Promise.resolve();

  private constructor(path: string, own: string, replaced: Found | undefined) {
    this.#path = path;
    this.#own = own;
    this.hasLateHolder = replaced !== undefined && replaced.state !== 'stale';
    this.#renewals = setInterval(() => void this.#enqueue(() => this.#renew()).catch(() => {}), 1000 * RENEW_SECONDS);
    this.#renewals.unref();
  }

  /**
   * Takes the lock of a run's folder, which must exist, and renews it until it is released. A lock whose process is gone is taken over,
   * and a line is printed; with `force`, so is one of another host and one that can't be read.
   * @throws RunLockError if another coordinator holds it or may hold it, or the file can't be written
   */
  static async acquire(folder: string, options: LockOptions): Promise<RunLock> {
    const path = join(folder, LOCK);
    const own = `${JSON.stringify(await newOwner(options, randomUUID()))}\n`;
    ours.add(own);
    try {
      const replaced = await take(path, own, options);
      if (replaced) {
        const line = `Took over ${path} from ${nameOf(replaced.owner)} (${replaced.state}).`;
        options.print(line, isGone(replaced.state) ? 'info' : 'warn');
      }
      return new RunLock(path, own, replaced);
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

  /** A write, not a time that is set: the file system's own clock counts. Once another file is in its place, that isn't touched. */
  async #renew(): Promise<void> {
    if (this.#lost) return;
    const file = await openPlainFile(this.#path, 'update');
    try {
      const { buffer, bytesRead } = await file.read({ buffer: Buffer.alloc(MAX_BYTES), position: 0 });
      if (buffer.toString('utf8', 0, bytesRead) === this.#own) await file.write(this.#own, 0);
    } finally {
      await file.close();
    }
  }

  async #release(): Promise<void> {
    clearInterval(this.#renewals);
    this.#lost ??= new RunLockError(`${this.#path} was released. Acquire it again.`, { lost: true });
    ours.delete(this.#own);
    if ((await textOf(this.#path)) === this.#own) await rm(this.#path, { force: true });
  }
}

/**
 * Calls `use` while this process holds the lock at a path, which others wait for. It takes over that of a process that has ended.
 * @throws RunLockError if others hold it for too long, or the file can't be written
 */
export async function whileLocked<T>(path: string, use: () => Promise<T>): Promise<T> {
  const own = `${JSON.stringify(await newOwner({}, randomUUID()))}\n`;
  ours.add(own);
  try {
    await takeInTurn(path, own);
    try {
      return await use();
    } finally {
      await rm(path, { force: true });
    }
  } finally {
    ours.delete(own);
  }
}

async function takeInTurn(path: string, own: string): Promise<void> {
  for (let turn = 1; ; turn++) {
    try {
      await take(path, own, { force: false, print: () => {} });
      return;
    } catch (error) {
      if (!(error instanceof RunLockError) || turn === TURNS) throw error;
      await sleep(TURN_MS);
    }
  }
}

/** The state of a folder's lock; `free` if there is no such folder. Never throws. */
export async function lockState(folder: string): Promise<LockState> {
  try {
    const found = await read(join(folder, LOCK), {}, async () => Date.now());
    if (found === undefined) return { state: 'free' };
    const { owner } = found;
    const state = isGone(found.state) ? 'stale' : found.state;
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
async function take(path: string, own: string, options: LockOptions): Promise<Found | undefined> {
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    if (await create(path, own)) return undefined;
    const found = await read(path, options, () => timeAt(path));
    if (found === undefined) continue;
    if (found.state === 'held' || (!isGone(found.state) && !options.force)) throw refusal(path, found);
    if (await replace(path, found, own, options)) return found;
  }
  throw new RunLockError(`${path} keeps changing: other coordinators start and end in this folder. Try again.`, {
    isTemporary: true,
  });
}

/**
 * Replaces the lock that was found, while holding a guard file named after its contents: only the guard's holder may replace it. The
 * path always holds a lock meanwhile, so that no other process can create one. A guard is itself a lock, and is taken over if its
 * process has ended.
 */
async function replace(path: string, found: Found, own: string, options: LockOptions): Promise<boolean> {
  const guard = `${path}.${createHash('sha256').update(found.text).digest('hex').slice(0, 16)}`;
  await take(guard, own, options);
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

/** @param now the time in milliseconds, by the clock that dates the lock's file */
async function read(path: string, proof: LockProof, now: () => Promise<number>): Promise<Found | undefined> {
  const text = await textOf(path);
  const since = await stat(path).catch(() => undefined);
  if (text === undefined || since === undefined) return undefined;
  const owner = ownerOf(text);
  const age = async (): Promise<number> => (await now()) - since.mtimeMs;
  return { state: await ownerState(owner, { proof, isOurs: ours.has(text), age }), owner, text, since: since.mtime };
}

/** The time of the file system's own clock, which another host's may differ from. */
async function timeAt(path: string): Promise<number> {
  let time = 0;
  await withTemporary(path, '', async (temporary) => {
    time = (await stat(temporary)).mtimeMs;
  });
  return time;
}

function refusal(path: string, { state, owner, since }: Found): RunLockError {
  const holder = `${path} is held by ${nameOf(owner)} since ${since.toISOString()}`;
  const force = 'If you are sure that no other coordinator writes this run, pass --force-unlock.';
  if (state === 'held')
    return new RunLockError(`${holder}. That process is alive: wait for it, or end it first.`, { isTemporary: true });
  if (state === 'foreign') {
    const unknown = `host ${hostname()} can't check whether that process is alive`;
    const lease = owner?.lease === undefined ? '' : ` A process that is gone loses it after ${LEASE_SECONDS} seconds.`;
    return new RunLockError(`${holder}; ${unknown}.${lease} ${force}`, { isTemporary: true });
  }
  return new RunLockError(`${path} holds no readable lock: expected a line of JSON with host, pid and token. ${force}`);
}
