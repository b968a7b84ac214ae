// Nodes behind slow links: the proxy of the fault schedules passes so many bytes a second in each direction.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it, type TestContext } from 'node:test';
import { numericsByName } from '#src/shared/engine/numerics/numerics.js';
import { selfTest } from '#src/shared/engine/self-test.js';
import type { LinkQuality } from '../chaos/wire/faults.ts';
import { ProxyProcess } from '../chaos/wire/proxy-process.ts';
import { bareHub } from '../support/bare-hub.ts';
import { bareWorker } from '../support/bare-worker.ts';
import { DATA, lockstep, type Program, startLockstep, stepsOf } from '../support/program.ts';
import { servedSet } from '../support/served-set.ts';

const HANG = { timeout: 180_000 };
const KILOBYTE = 1000;
/** Silence after which either side takes the other for dead, in seconds. */
const SILENCE = 10;

const folder = mkdtempSync(join(tmpdir(), 'lockstep-slow-links-'));
after(() => rmSync(folder, { recursive: true }));

/** A link that all connections take, to what listens at this URL. */
async function slowLink(t: TestContext, url: string, quality: LinkQuality): Promise<string> {
  const proxy = await ProxyProcess.start();
  t.after(() => proxy.stop());
  proxy.aim(Number(new URL(url).port));
  await proxy.inflict({ kind: 'slowLink', during: undefined, ...quality }, 'every', () => {});
  return proxy.url;
}

function worker(t: TestContext, url: string, ...flags: readonly string[]): Program {
  return bareWorker(t, folder, url, flags);
}

describe('a node without the data set joins', () => {
  const digests = { numerics: numericsByName(), selfTest: selfTest() };
  const cases: readonly (readonly [string, number, LinkQuality])[] = [
    // Half as long again as either side would wait in silence.
    ['over 400 KB/s', 1.5 * SILENCE * 400 * KILOBYTE, { bytesPerSecond: 400 * KILOBYTE, latency: 0 }],
    [
      'over 50 KB/s with 300 ms of latency',
      1.5 * SILENCE * 50 * KILOBYTE,
      { bytesPerSecond: 50 * KILOBYTE, latency: 150 },
    ],
    [
      'over a link that breaks after each 500 KB',
      2100 * KILOBYTE,
      { bytesPerSecond: 400 * KILOBYTE, latency: 0, cutAfter: 500 * KILOBYTE },
    ],
  ];
  for (const [name, bytes, quality] of cases) {
    it(name, HANG, async (t) => {
      const set = servedSet(Math.ceil(bytes / 785), 10);
      const { hub, events } = await bareHub(t, { digests, set });
      const progress: string[] = [];
      events.on('download', (_, line) => progress.push(line));
      const joined = once(events, 'join');
      const node = worker(t, await slowLink(t, hub.url, quality));
      await joined;
      await node.said(/^Computing for/);
      node.signal('SIGTERM');
      const { status, stderr } = await node.ended;
      assert.equal(status, 143, stderr);
      if (quality.cutAfter === undefined) {
        assert.match(
          stderr,
          /^Receiving the data set from the coordinator: [\d.]+ of [\d.]+ MB, (about \d+ s|a few seconds) left\.$/m,
        );
        assert.match(progress.join('\n'), /^[\d.]+ of [\d.]+ MB, (about \d+ s|a few seconds) left$/m);
        assert.doesNotMatch(stderr, /No connection/);
      } else assert.ok(progress.some((line) => /^its connection ended/.test(line)));
    });
  }
});

describe('a run whose nodes are behind slow links has the bits of one worker', () => {
  const FLAGS = ['train', '--iterations', '5', '--batch', '64', '--shard-size', '4', '--metrics-port', 'off', '--json'];
  const whole = join(folder, 'whole');
  const alone = lockstep([...FLAGS, ...DATA, '--workers', '1', '--out', whole]);
  assert.equal(alone.status, 0, alone.stderr);

  const cases: readonly (readonly [string, LinkQuality])[] = [
    ['over 400 KB/s', { bytesPerSecond: 400 * KILOBYTE, latency: 0 }],
    // Weights and one gradient take 10 seconds.
    ['over 50 KB/s with 300 ms of latency', { bytesPerSecond: 50 * KILOBYTE, latency: 150 }],
  ];
  for (const [name, quality] of cases) {
    it(name, HANG, async (t) => {
      const out = join(folder, name.replaceAll(/\W/g, ''));
      const run = startLockstep([...FLAGS, ...DATA, '--workers', '0', '--listen', '127.0.0.1:0', '--out', out]);
      t.after(() => run.signal('SIGKILL'));
      const url = (await run.said(/^Nodes can connect/)).split(' ').at(-1) as string;
      const data = DATA.includes('synthetic') ? [] : DATA;
      const node = worker(t, await slowLink(t, url, quality), ...data);
      const { status, stdout, stderr } = await run.ended;
      assert.equal(status, 0, stderr);
      assert.equal(JSON.parse(stdout).weightsSha256, JSON.parse(alone.stdout).weightsSha256);
      assert.deepEqual(stepsOf(out), stepsOf(whole));
      assert.doesNotMatch(stderr, /is gone/);
      const ended = await node.ended;
      assert.equal(ended.status, 0, ended.stderr);
      assert.doesNotMatch(ended.stderr, /No connection/);
    });
  }
});
