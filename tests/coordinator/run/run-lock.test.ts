import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { createHash, randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { link, mkdir, mkdtemp, readdir, readFile, rename, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { after, describe, type TestContext, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { LEASE_SECONDS, type LockProof, RENEW_SECONDS, slurmOf } from '#src/coordinator/run/lock-owner.js';
import { create, lockState, RunLock } from '#src/coordinator/run/run-lock.js';
import { RunLockError } from '#src/shared/util/errors.js';

const root = await mkdtemp(join(tmpdir(), 'lockstep-locks-'));
after(() => rm(root, { recursive: true }));

const program = fileURLToPath(new URL('./lock-program.js', import.meta.url));

const newFolder = () => mkdtemp(join(root, 'run-'));
const lockOf = (folder: string) => join(folder, 'run.lock');
const textOf = (folder: string) => readFile(lockOf(folder), 'utf8');
const ownerOf = async (folder: string) => JSON.parse(await textOf(folder));

interface Taking extends LockProof {
  readonly force?: boolean;
  readonly printed?: string[];
}

function acquire(folder: string, { force = false, printed = [], ...proof }: Taking = {}): Promise<RunLock> {
  return RunLock.acquire(folder, { force, print: (line) => printed.push(line), ...proof });
}

/** A folder with the lock of another owner, by default of a living process of this host. */
async function folderWith(owner: object | string): Promise<string> {
  const folder = await newFolder();
  const whole = { host: hostname(), pid: process.ppid, token: randomUUID() };
  await writeFile(lockOf(folder), typeof owner === 'string' ? owner : JSON.stringify({ ...whole, ...owner }));
  return folder;
}

async function assertRefused(promise: Promise<unknown>, ...parts: readonly string[]): Promise<void> {
  await assert.rejects(promise, (error) => {
    assert.ok(error instanceof RunLockError, String(error));
    const exitCode = /holds no readable lock|can't be written/.test(error.message) ? 2 : 75;
    assert.deepEqual([error.code, error.exitCode, error.lost], ['ERR_RUN_LOCK', exitCode, false]);
    for (const part of parts) assert.ok(error.message.includes(part), `${error.message} | lacks: ${part}`);
    return true;
  });
}

async function assertLost(lock: RunLock, ...parts: readonly string[]): Promise<void> {
  await assert.rejects(lock.check(), (error) => {
    assert.ok(error instanceof RunLockError, String(error));
    assert.deepEqual([error.exitCode, error.lost], [1, true]);
    for (const part of parts) assert.ok(error.message.includes(part), `${error.message} | lacks: ${part}`);
    return true;
  });
}

/** Acquires a lock, replaces its file by another owner's, and checks it. */
async function lostLock(folder: string): Promise<RunLock> {
  const lock = await acquire(folder);
  await rename(lockOf(await folderWith({ host: 'elsewhere', pid: 42 })), lockOf(folder));
  await assertLost(lock, 'process 42 on host elsewhere');
  return lock;
}

/** A process that acquires the folder's lock on request. */
async function coordinator(
  t: TestContext,
  folder: string,
  { title = 'node', through = [] }: { title?: string; through?: readonly string[] } = {},
) {
  const [file = process.execPath, ...args] = [...through, process.execPath, program, folder, title];
  const child = spawn(file, args, { stdio: ['pipe', 'pipe', 'inherit'] });
  t.after(() => kill(child));
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  assert.equal((await lines.next()).value, 'ready');
  const acquire = async (): Promise<string> => {
    child.stdin.write('acquire\n');
    return (await lines.next()).value;
  };
  return { pid: child.pid ?? assert.fail('no process'), acquire, kill: () => kill(child) };
}

async function kill(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exited = once(child, 'exit');
  child.kill('SIGKILL');
  await exited;
}

/** A folder whose lock was left by a process that was killed. */
async function staleFolder(t: TestContext): Promise<{ folder: string; pid: number }> {
  const folder = await newFolder();
  const child = await coordinator(t, folder);
  assert.equal(await child.acquire(), 'held');
  await child.kill();
  return { folder, pid: child.pid };
}

describe('acquire', () => {
  test('takes a free folder, leaving one line of JSON and nothing else', async () => {
    const folder = await newFolder();
    const printed: string[] = [];
    const lock = await acquire(folder, { printed });
    const { host, pid, token } = await ownerOf(folder);
    assert.deepEqual([host, pid], [hostname(), process.pid]);
    assert.match(token, /^[0-9a-f-]{36}$/);
    assert.match(await textOf(folder), /^\{.*\}\n$/);
    assert.deepEqual(await readdir(folder), ['run.lock']);
    assert.deepEqual(printed, []);
    await lock.check();
  });

  test('a second one of this process is refused', async () => {
    const folder = await newFolder();
    const lock = await acquire(folder);
    await assertRefused(acquire(folder), `process ${process.pid}`);
    await lock.check();
  });

  test("a living process's lock is refused, by force too", async (t) => {
    const folder = await newFolder();
    const child = await coordinator(t, folder);
    assert.equal(await child.acquire(), 'held');
    const held = await textOf(folder);
    for (const force of [false, true]) {
      await assertRefused(
        acquire(folder, { force }),
        `process ${child.pid} on host ${hostname()} since 2`,
        'end it first',
      );
    }
    assert.equal(await textOf(folder), held);
    assert.deepEqual(await readdir(folder), ['run.lock']);
  });

  test("a living process's name may hold spaces and parentheses", async (t) => {
    const folder = await newFolder();
    const child = await coordinator(t, folder, { title: 'a) R (b c' });
    assert.equal(await child.acquire(), 'held');
    await assertRefused(acquire(folder), `process ${child.pid}`);
  });

  test('a living process whose start is unknown holds its lock', async () => {
    await assertRefused(acquire(await folderWith({})), `process ${process.ppid}`);
  });

  test("another user's process is alive", async (t) => {
    t.mock.method(process, 'kill', () => {
      throw Object.assign(new Error('not permitted'), { code: 'EPERM' });
    });
    await assertRefused(acquire(await folderWith({})), `process ${process.ppid}`);
  });

  test("a killed process's lock is taken over, and that is printed", async (t) => {
    const { folder, pid } = await staleFolder(t);
    const printed: string[] = [];
    const lock = await acquire(folder, { printed });
    assert.equal(printed.length, 1);
    assert.ok(printed[0]?.includes(`process ${pid} on host ${hostname()}`), printed[0]);
    assert.equal((await ownerOf(folder)).pid, process.pid);
    assert.deepEqual(await readdir(folder), ['run.lock']);
    await lock.check();
  });

  test('a process that ended but was never waited for is dead', { skip: process.platform !== 'linux' }, async (t) => {
    const folder = await newFolder();
    // The shell becomes a process that never waits for its child, so that the child stays a zombie.
    const command = 'exec 3<&0; "$@" <&3 & exec sleep 1000 >&-';
    const child = await coordinator(t, folder, { through: ['sh', '-c', command, 'sh'] });
    assert.equal(await child.acquire(), 'held');
    await assertRefused(acquire(folder));
    const { pid } = await ownerOf(folder);
    assert.notEqual(pid, child.pid);
    process.kill(pid, 'SIGKILL');
    while (!(await readFile(`/proc/${pid}/stat`, 'utf8')).includes(') Z '));
    await acquire(folder);
  });

  test('a reused pid does not keep a lock alive', async (t) => {
    const folder = await newFolder();
    const child = await coordinator(t, folder);
    await child.acquire();
    const owner = await ownerOf(folder);
    await assertRefused(acquire(folder));
    await writeFile(lockOf(folder), JSON.stringify({ ...owner, start: 'another' }));
    await acquire(folder);
  });

  test('nor does the pid of this process if it does not hold the lock', async () => {
    const folder = await newFolder();
    await acquire(folder);
    const owner = await ownerOf(folder);
    await assertRefused(acquire(folder));
    for (const change of [{ start: 'another' }, { token: randomUUID() }]) {
      await acquire(await folderWith({ ...owner, ...change }));
    }
  });

  test('a lock of another host is refused, and taken over by force', async () => {
    const folder = await folderWith({ host: 'elsewhere', pid: 42 });
    const before = await textOf(folder);
    await assertRefused(acquire(folder), 'process 42 on host elsewhere', '--force-unlock');
    assert.equal(await textOf(folder), before);
    const printed: string[] = [];
    const lock = await acquire(folder, { force: true, printed });
    assert.match(printed.join(), /process 42 on host elsewhere/);
    await lock.check();
  });

  const slurm = (job: string, restart: number) => ({ slurm: { job, restart } });
  for (const [what, before, now, taken] of [
    ['a job that Slurm has requeued', slurm('7', 0), slurm('7', 1), 'requeued'],
    ['the same start of a job', slurm('7', 1), slurm('7', 1), undefined],
    ['an earlier start of a job', slurm('7', 2), slurm('7', 1), undefined],
    ['another job', slurm('8', 0), slurm('7', 1), undefined],
    ['no job', {}, slurm('7', 1), undefined],
    ['a holder of the same id', { id: 'train' }, { id: 'train' }, 'replaced'],
    ['a holder of another id', { id: 'train' }, { id: 'other' }, undefined],
    ['a holder without an id', {}, { id: 'train' }, undefined],
  ] as const) {
    test(`${what} on another host is ${taken ?? 'refused'}`, async () => {
      const folder = await folderWith({ host: 'elsewhere', pid: 42, lease: LEASE_SECONDS, ...before });
      if (taken === undefined)
        return assertRefused(acquire(folder, now), 'process 42 on host elsewhere', '120 seconds');
      const printed: string[] = [];
      const lock = await acquire(folder, { ...now, printed });
      assert.match(printed.join(), new RegExp(`process 42 on host elsewhere \\(${taken}\\)`));
      assert.equal(lock.hasLateHolder, true);
      await lock.check();
    });
  }

  test('no proof counts against a process of this host that is alive', async () => {
    const proof = { id: 'train', ...slurm('7', 1) };
    await assertRefused(acquire(await folderWith({ id: 'train', ...slurm('7', 0) }), proof), `process ${process.ppid}`);
  });

  test('a lock of another host that was not renewed for its lease is taken over', async () => {
    const folder = await folderWith({ host: 'elsewhere', pid: 42, lease: LEASE_SECONDS });
    const ago = (seconds: number) => new Date(Date.now() - 1000 * seconds);
    await utimes(lockOf(folder), ago(LEASE_SECONDS - 30), ago(LEASE_SECONDS - 30));
    await assertRefused(acquire(folder), 'process 42 on host elsewhere');
    assert.deepEqual((await lockState(folder)).state, 'foreign');
    await utimes(lockOf(folder), ago(LEASE_SECONDS + 1), ago(LEASE_SECONDS + 1));
    assert.deepEqual((await lockState(folder)).state, 'stale');
    const lock = await acquire(folder);
    assert.equal(lock.hasLateHolder, true);
    assert.deepEqual(await readdir(folder), ['run.lock']);
  });

  test('is renewed until it is lost or released', async (t) => {
    t.mock.timers.enable({ apis: ['setInterval'] });
    const folder = await newFolder();
    const lock = await acquire(folder);
    const old = new Date(Date.now() - 3_600_000);
    const isRenewedAfter = async (seconds: number): Promise<boolean> => {
      await utimes(lockOf(folder), old, old);
      t.mock.timers.tick(1000 * seconds);
      // Renewals and checks run one after the other.
      await lock.check().catch(() => {});
      return (await stat(lockOf(folder))).mtimeMs > old.getTime();
    };
    assert.equal(await isRenewedAfter(RENEW_SECONDS - 1), false);
    assert.equal(await isRenewedAfter(1), true);
    const before = await textOf(folder);
    await rename(lockOf(await folderWith({ host: 'elsewhere', pid: 42 })), lockOf(folder));
    assert.equal(await isRenewedAfter(RENEW_SECONDS), false);
    assert.notEqual(await textOf(folder), before);
  });

  test("Slurm's variables name a job and how often it was requeued", () => {
    assert.deepEqual(slurmOf({ SLURM_JOB_ID: '12' }), { job: '12', restart: 0 });
    assert.deepEqual(slurmOf({ SLURM_JOB_ID: '12', SLURM_RESTART_COUNT: '3' }), { job: '12', restart: 3 });
    assert.equal(slurmOf({ SLURM_RESTART_COUNT: '3' }), undefined);
    assert.equal(slurmOf({ SLURM_JOB_ID: '12', SLURM_RESTART_COUNT: 'many' }), undefined);
  });

  // kill(2) would take the last one's pid for a process group.
  for (const garbage of ['', '{"host":"a","pi', '[]', `{"host":"a","pid":0,"token":"${randomUUID()}"}`]) {
    test(`a lock that holds ${garbage.slice(0, 22) || 'nothing'} is refused, and taken over by force`, async () => {
      const folder = await folderWith(garbage);
      await assertRefused(acquire(folder), lockOf(folder), 'no readable lock', '--force-unlock');
      assert.equal(await textOf(folder), garbage);
      await (await acquire(folder, { force: true })).check();
      assert.deepEqual(await readdir(folder), ['run.lock']);
    });
  }

  test('a missing folder is refused', async () => {
    await assertRefused(acquire(join(root, 'missing')), 'ENOENT', 'Check that the folder exists');
  });

  test('of eight that race for a stale lock, one wins', async (t) => {
    const folder = await newFolder();
    const racers = await Promise.all(Array.from({ length: 8 }, () => coordinator(t, folder)));
    for (let race = 0; race < 5; race++) {
      const stale = JSON.stringify({ host: hostname(), pid: process.pid, start: 'another', token: randomUUID() });
      await writeFile(lockOf(folder), stale);
      const outcomes = await Promise.all(racers.map((racer) => racer.acquire()));
      assert.deepEqual(outcomes.toSorted(), ['held', ...Array(7).fill('refused')]);
      const { pid } = await ownerOf(folder);
      assert.equal(racers[outcomes.indexOf('held')]?.pid, pid);
      assert.deepEqual(await readdir(folder), ['run.lock']);
    }
  });

  test('one takeover at a time: its guard excludes others and, left by a dead process, is taken over', async (t) => {
    const { folder } = await staleFolder(t);
    const stale = await textOf(folder);
    const guard = `${lockOf(folder)}.${createHash('sha256').update(stale).digest('hex').slice(0, 16)}`;
    await rename(lockOf(await folderWith({})), guard);
    await assertRefused(acquire(folder), guard, `process ${process.ppid}`);
    assert.equal(await textOf(folder), stale);
    await rename(lockOf((await staleFolder(t)).folder), guard);
    await (await acquire(folder)).check();
    assert.deepEqual(await readdir(folder), ['run.lock']);
  });
});

describe('check', () => {
  test('a lock that another took is lost, and stays lost', async () => {
    const folder = await newFolder();
    const lock = await lostLock(folder);
    await rm(lockOf(folder));
    await assertLost(lock);
    assert.deepEqual(await readdir(folder), []);
  });

  test('a missing file is restored', async () => {
    const folder = await newFolder();
    const lock = await acquire(folder);
    const before = await textOf(folder);
    await rm(lockOf(folder));
    await Promise.all([lock.check(), lock.check()]);
    assert.equal(await textOf(folder), before);
    assert.deepEqual(await readdir(folder), ['run.lock']);
  });

  test('a missing folder is no loss', async () => {
    const folder = await newFolder();
    const lock = await acquire(folder);
    await rename(folder, `${folder}-away`);
    await assert.rejects(lock.check(), { code: 'ENOENT' });
    await rename(`${folder}-away`, folder);
    await lock.check();
  });
});

describe('release', () => {
  test('frees the folder, whatever check is under way', async () => {
    const folder = await newFolder();
    const lock = await acquire(folder);
    await rm(lockOf(folder));
    await Promise.all([lock.check(), lock.release()]);
    assert.deepEqual(await readdir(folder), []);
    await assertLost(lock, 'released');
    assert.deepEqual(await readdir(folder), []);
    await (await acquire(folder)).check();
  });

  test("leaves another's lock alone", async () => {
    const folder = await newFolder();
    const lock = await lostLock(folder);
    await lock.release();
    assert.equal((await ownerOf(folder)).pid, 42);
  });

  test('a missing file or folder is no failure', async () => {
    const folder = await newFolder();
    const lock = await acquire(folder);
    await rm(lockOf(folder));
    await lock.release();
    const other = await acquire(folder);
    await rm(folder, { recursive: true });
    await other.release();
  });
});

describe('create', () => {
  const failing = (code: string) => () => Promise.reject(Object.assign(new Error(code), { code }));

  test('works without hard links', async () => {
    const folder = await newFolder();
    for (const code of ['EPERM', 'ENOTSUP', 'ENOSYS']) {
      const path = join(folder, code);
      assert.equal(await create(path, 'first', failing(code)), true);
      assert.equal(await create(path, 'second', failing(code)), false);
      assert.equal(await readFile(path, 'utf8'), 'first');
    }
    assert.deepEqual((await readdir(folder)).sort(), ['ENOSYS', 'ENOTSUP', 'EPERM']);
  });

  test('knows a link of its own that was reported as failed', async () => {
    const path = join(await newFolder(), 'file');
    const linked: typeof link = (from, to) => link(from, to).then(failing('EEXIST'));
    assert.equal(await create(path, 'first', linked), true);
    assert.equal(await create(path, 'second', linked), false);
  });
});

test('lockState gives the holder of a folder', async (t) => {
  const folder = await newFolder();
  assert.deepEqual(await lockState(join(folder, 'missing')), { state: 'free' });
  assert.deepEqual(await lockState(folder), { state: 'free' });
  const lock = await acquire(folder);
  assert.deepEqual(await lockState(folder), { state: 'held', owner: { host: hostname(), pid: process.pid } });
  await lock.release();
  assert.deepEqual(await lockState(folder), { state: 'free' });
  const { folder: stale, pid } = await staleFolder(t);
  assert.deepEqual(await lockState(stale), { state: 'stale', owner: { host: hostname(), pid } });
  const foreign = await folderWith({ host: 'elsewhere', pid: 42 });
  assert.deepEqual(await lockState(foreign), { state: 'foreign', owner: { host: 'elsewhere', pid: 42 } });
  assert.deepEqual(await lockState(await folderWith('{')), { state: 'unreadable' });
  await mkdir(lockOf(folder));
  assert.deepEqual(await lockState(folder), { state: 'unreadable' });
});
