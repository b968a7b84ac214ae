// What the system limits: memory by `ulimit -v` and by a cgroup, processor time by a cgroup.
import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { cgroupWith } from '../support/cgroup.ts';
import { DATA, DATA_OF_NODE, type Ended, manifestOf, startLockstep } from '../support/program.ts';

const MEBIBYTE = 2 ** 20;
const folder = mkdtempSync(join(tmpdir(), 'lockstep-limits-'));
after(() => rmSync(folder, { recursive: true }));

const FLAGS = [...DATA, '--iterations', '3', '--batch', '256', '--metrics-port', 'off'];
/** The flag that makes Node 20 and 22 reserve what is needed; later ones do by themselves. */
const RESERVES_LESS = { NODE_OPTIONS: '--disable-wasm-trap-handler' };
const skip = process.platform === 'linux' ? false : 'needs the limits that Linux has';

function limited(kibibytes: number): readonly string[] {
  return ['bash', '-c', `ulimit -v ${kibibytes} && exec "$@"`, 'bash'];
}

function train(run: string, workers: string, inside: readonly string[], env: NodeJS.ProcessEnv = {}): Promise<Ended> {
  const flags = workers === '' ? [] : ['--workers', workers];
  return startLockstep(['train', ...FLAGS, ...flags, '--out', run], env, inside).ended;
}

/** The exit code says whether the limit is known to be too low, or the system gives less than it seems to. */
function assertLacks({ status, stderr }: Ended): void {
  assert.equal(status, /doesn't give/.test(stderr) ? 75 : 2, stderr);
}

function assertRefused(ended: Ended, run: string): void {
  assertLacks(ended);
  const { stderr } = ended;
  assert.match(stderr, /ulimit -v|shared memory/);
  assert.match(stderr, /Close other programs, give fewer workers/);
  assert.doesNotMatch(stderr, /Unexpected failure|^\s+at /m);
  assert.ok(!existsSync(run), 'a refused run leaves nothing');
}

describe('memory that is limited by ulimit -v', { skip }, () => {
  it('trains the same bits or is refused with advice, and leaves no half-made run', async () => {
    const hashes = new Set<unknown>();
    const outcomes: string[] = [];
    for (const mebibytes of [1750, 2000, 2250, 2500, 2750, 3000, 3500, 4500]) {
      const run = join(folder, `by-${mebibytes}`);
      const ended = await train(run, '6', limited(mebibytes * 1024), RESERVES_LESS);
      outcomes.push(ended.status === 0 ? 'trained' : 'refused');
      if (ended.status === 0) hashes.add((manifestOf(run).result as { weightsSha256: string }).weightsSha256);
      else assertRefused(ended, run);
    }
    assert.deepEqual(outcomes, outcomes.toSorted(), 'what fits in less fits in more');
    assert.deepEqual([outcomes[0], outcomes.at(-1), hashes.size], ['refused', 'trained', 1]);
  });

  it('has the same command work afterwards, without the limit', async () => {
    const run = join(folder, 'again');
    assertRefused(await train(run, '40', limited(3_000_000), RESERVES_LESS), run);
    const { status, stderr } = await train(run, '40', []);
    assert.equal(status, 0, stderr);
  });

  it('has auto take as many workers as fit', async () => {
    const run = join(folder, 'auto');
    const preload = new URL('../support/many-processors.js', import.meta.url);
    const env = { NODE_OPTIONS: `${RESERVES_LESS.NODE_OPTIONS} --import ${preload}` };
    const { status, stderr } = await train(run, '', limited(3_500_000), env);
    assert.equal(status, 0, stderr);
    const { workers } = manifestOf(run).config as unknown as { workers: number };
    assert.ok(workers > 1 && workers < 32, `${workers}`);
  });

  it('ends a node with the same advice, and the next one takes part', async () => {
    const listening = ['--workers', '0', '--listen', '127.0.0.1:0', '--out', join(folder, 'nodes')];
    const coordinator = startLockstep(['train', ...FLAGS, ...listening]);
    const url = /ws:\/\/[\d.:]+/.exec(await coordinator.said(/ws:\/\//))?.[0] as string;
    const node = ['worker', '--connect', url, '--threads', '40', ...DATA_OF_NODE];
    const ended = await startLockstep(node, {}, limited(3_000_000)).ended;
    assertLacks(ended);
    assert.match(ended.stderr, /ulimit -v/);
    assert.match(ended.stderr, /give fewer workers/);
    const next = await startLockstep(node).ended;
    assert.equal(next.status, 0, next.stderr);
    assert.equal((await coordinator.ended).status, 0);
  });
});

describe('memory that is limited by a cgroup', { skip }, () => {
  it('is refused before the system would end the run, and limits auto', async (t) => {
    const inside = cgroupWith(t, 'memory', { 'memory.limit_in_bytes': String(256 * MEBIBYTE) });
    if (inside === undefined) return t.skip('no cgroup can be made here');
    const run = join(folder, 'cgroup');
    const { status, stderr } = await train(run, '32', inside);
    assert.equal(status, 2, stderr);
    assert.match(stderr, /32 worker threads take about \d+ MiB of memory, but the limit is 256 MiB\. \d+ would fit\./);
    assert.ok(!existsSync(run));
    const preload = new URL('../support/many-processors.js', import.meta.url);
    const auto = await train(run, '', inside, { NODE_OPTIONS: `--import ${preload}` });
    assert.equal(auto.status, 0, auto.stderr);
    const { workers } = manifestOf(run).config as unknown as { workers: number };
    assert.ok(workers > 1 && workers < 32, `${workers}`);
  });
});

describe('processors that are limited by a cgroup', { skip }, () => {
  it('decide how many workers auto takes, and doctor shows the quota', async (t) => {
    const inside = cgroupWith(t, 'cpu', { 'cpu.cfs_period_us': '100000', 'cpu.cfs_quota_us': '60000' });
    if (inside === undefined) return t.skip('no cgroup can be made here');
    const { stdout } = await startLockstep(['doctor', '--json', ...DATA], {}, inside).ended;
    const { checks } = JSON.parse(stdout) as { checks: { name: string; found: string }[] };
    const found = (name: string): string | undefined => checks.find((check) => check.name === name)?.found;
    assert.match(found('machine') ?? '', /, with a quota of 0\.6 \(cgroup\)$/);
    assert.match(found('most workers') ?? '', /; 1 chosen$/);
  });
});
