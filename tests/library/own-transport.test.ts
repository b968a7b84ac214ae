// A run and its nodes, in one process, over a transport of the caller's.
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { resolveJob } from '#src/library/inputs.js';
import { type NodeEvent, runNode } from '#src/library/node.js';
import { train } from '#src/library/train.js';
import { Token } from '#src/shared/util/token.js';
import { madeFile } from '../support/made-images.ts';
import { connectToPath, listenOnPath } from '../support/unix-transport.ts';

const HANG = { timeout: 300_000 };
const folder = mkdtempSync(join(tmpdir(), 'lockstep-transport-'));
after(() => rmSync(folder, { recursive: true }));

const OPTIONS = {
  data: madeFile(folder, 256, 64),
  batch: 32,
  shardSize: 4,
  iterations: 40,
  evaluateEvery: 20,
  metricsPort: 'off',
};
const ROUNDS = {
  replicas: 4,
  syncEvery: 2,
  schedule: [
    [0, 0.1],
    [4, 1],
  ],
};
const TOKEN = 'a'.repeat(64);
let paths = 0;

const jobOf = (flags: Readonly<Record<string, unknown>>, env: NodeJS.ProcessEnv = {}) =>
  resolveJob({ flags: { ...OPTIONS, out: join(folder, `run-${paths++}`), ...flags }, env });

/** A node that connects to a path, and what it tells. */
function nodeAt(path: string, name: string, token?: Token) {
  const events: NodeEvent[] = [];
  const leave = new AbortController();
  const ended = runNode({
    ...{ url: `unix:${path}`, token, ca: undefined, threads: 1, name, data: undefined, keep: false },
    env: { XDG_CACHE_HOME: join(folder, name) },
    connect: () => connectToPath(path),
    stop: leave.signal,
    onEvent: (event) => events.push(event),
  });
  return { events, leave, ended };
}

/** The hash of a run with two nodes and as many threads of its own. */
async function withNodes(flags: Readonly<Record<string, unknown>>): Promise<string> {
  const path = join(folder, `hub-${paths++}`);
  let maxFrameBytes = 0;
  const joined = new Set<string>();
  const notices: string[] = [];
  const transport = {
    listen: (limits: { readonly maxFrameBytes: number }) => {
      ({ maxFrameBytes } = limits);
      return listenOnPath(path);
    },
  };
  const running = train(await jobOf(flags), {
    transport,
    observers: [
      {
        onEvent: (event) => {
          if (event.kind === 'joined') joined.add(event.node);
          if (event.kind === 'notice') notices.push(event.message);
        },
      },
    ],
  });
  const nodes = new Map(['one', 'two'].map((name) => [name, nodeAt(path, name)]));
  const { state, result } = await running;
  assert.equal(state, 'finished');
  for (const [name, { leave, ended }] of nodes) {
    // With threads of its own, a run may be over before a node joins, which would try for ever.
    if (!joined.has(name)) leave.abort();
    assert.ok(['finished', joined.has(name) ? 'finished' : 'stopped'].includes(await ended), name);
  }
  assert.ok(flags.workers !== 0 || joined.size > 0, 'a node took part');
  assert.ok(notices.includes(`Nodes can connect: unix:${path}`), notices.join('\n'));
  // Weights and gradients of LeNet-5.
  assert.ok(maxFrameBytes > 4 * 60_000 && maxFrameBytes < 2 ** 31, `${maxFrameBytes}`);
  return result.weightsSha256;
}

describe('a run over a transport of its caller', () => {
  for (const [kind, flags] of [
    ['steps', {}],
    ['rounds with a schedule of its own', ROUNDS],
  ] as const) {
    it(`has the bits of one that trains alone: ${kind}`, HANG, async () => {
      const alone = await train(await jobOf({ ...flags, workers: 2 }));
      assert.equal(await withNodes({ ...flags, workers: 1 }), alone.result.weightsSha256);
      // Without threads of its own, it waits for a node. The address means nothing.
      assert.equal(await withNodes({ ...flags, workers: 0, listen: 'nowhere' }), alone.result.weightsSha256);
    });
  }

  it('takes only nodes with its token', HANG, async () => {
    const path = join(folder, `hub-${paths++}`);
    const job = await jobOf({ workers: 0, listen: 'nowhere' }, { LOCKSTEP_TOKEN: TOKEN });
    const running = train(job, { transport: { listen: () => listenOnPath(path) } });
    const stranger = nodeAt(path, 'stranger', new Token('b'.repeat(64)));
    const friend = nodeAt(path, 'friend', new Token(TOKEN));
    assert.equal((await running).state, 'finished');
    assert.equal(await friend.ended, 'finished');
    stranger.leave.abort();
    assert.equal(await stranger.ended, 'stopped');
    assert.ok(!stranger.events.some(({ kind }) => kind === 'run'));
  });

  it('is refused with a backend whose bits differ between machines', async () => {
    const job = await jobOf({ backend: 'tfjs' });
    const transport = { listen: () => Promise.reject(new Error('not called')) };
    await assert.rejects(train(job, { transport }), /^UsageError: transport: remote nodes compute by the kernel alone/);
  });

  it('fails as listening does', async () => {
    const transport = { listen: () => Promise.reject(new Error('no room')) };
    await assert.rejects(train(await jobOf({}), { transport }), /no room/);
  });
});
