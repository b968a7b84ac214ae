// Nodes with links of their own: each has a network namespace that a veth pair connects to the coordinator's. Linux and root only.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { newToken } from '#src/shared/util/token.js';
import { within } from '../chaos/deadline.ts';
import { Progress } from '../chaos/progress.ts';
import { DATA, lockstep, type Program, startLockstep, stepsOf } from '../support/program.ts';

/** Time limit of one test, which takes longer only if it hangs. */
const HANG_MS = 90_000;
const FLAGS = ['train', '--iterations', '250', '--batch', '64', '--shard-size', '4', '--metrics-port', 'off', '--json'];
const SAVED = ['--checkpoint-every', '10', '--evaluate-every', '120', '--keep', '2'];

const HOME = `lockstep-${process.pid}`;
const AWAY = [`${HOME}-a`, `${HOME}-b`] as const;

function ip(...args: readonly string[]): void {
  const { status, stderr } = spawnSync('ip', args, { encoding: 'utf8' });
  assert.equal(status, 0, `ip ${args.join(' ')}: ${stderr}`);
}

/** Whether this process may make namespaces. */
function reasonToSkip(): string | false {
  const probe = `${HOME}-probe`;
  if (spawnSync('ip', ['netns', 'add', probe]).status !== 0)
    return 'needs Linux, root and ip: no network namespace can be made';
  spawnSync('ip', ['netns', 'del', probe]);
  return false;
}

/** The coordinator's address on the link to a namespace; the addresses are only used inside the test's namespaces. */
function addressFor(away: string): string {
  return `10.77.${AWAY.indexOf(away as (typeof AWAY)[number])}.1`;
}

function build(): void {
  // Namespaces of tests that were killed.
  for (const line of spawnSync('ip', ['netns', 'list'], { encoding: 'utf8' }).stdout.split('\n')) {
    const [name, pid] = /^lockstep-(\d+)\S*/.exec(line) ?? [];
    if (name !== undefined && !existsSync(`/proc/${pid}`)) ip('netns', 'del', name);
  }
  for (const name of [HOME, ...AWAY]) {
    ip('netns', 'add', name);
    ip('-n', name, 'link', 'set', 'lo', 'up');
  }
  for (const [i, away] of AWAY.entries()) {
    // Made inside the namespaces, so that the host's own interfaces don't change, and removed with them.
    ip('-n', HOME, 'link', 'add', `to${i}`, 'type', 'veth', 'peer', 'name', 'home', 'netns', away);
    ip('-n', HOME, 'address', 'add', `${addressFor(away)}/24`, 'dev', `to${i}`);
    ip('-n', away, 'address', 'add', `10.77.${i}.2/24`, 'dev', 'home');
    ip('-n', HOME, 'link', 'set', `to${i}`, 'up');
    ip('-n', away, 'link', 'set', 'home', 'up');
  }
}

function resultOf(stdout: string): unknown[] {
  const { weightsSha256, chain } = JSON.parse(stdout);
  return [weightsSha256, chain];
}

const skip = reasonToSkip();

describe('nodes in network namespaces of their own', { skip }, () => {
  const folder = mkdtempSync(join(tmpdir(), 'lockstep-namespaces-'));
  const started: Program[] = [];
  after(async () => {
    for (const { signal } of started) signal('SIGKILL');
    await Promise.all(started.map(({ ended }) => ended));
    for (const name of [HOME, ...AWAY]) spawnSync('ip', ['netns', 'del', name]);
    rmSync(folder, { recursive: true });
  });
  const token = join(folder, 'token');
  writeFileSync(token, `${newToken()}\n`);

  const whole = join(folder, 'whole');
  let expected: unknown[];
  before(() => {
    build();
    const alone = lockstep([...FLAGS, ...SAVED, ...DATA, '--workers', '1', '--out', whole]);
    assert.equal(alone.status, 0, alone.stderr);
    expected = resultOf(alone.stdout);
  });

  function start(namespace: string, args: readonly string[]): Program {
    const program = startLockstep(args, {}, ['ip', 'netns', 'exec', namespace]);
    started.push(program);
    return program;
  }

  /** A run without workers of its own, and a node in each namespace. */
  async function gathered(name: string): Promise<{ run: Program; nodes: Program[]; progress: Progress }> {
    const listening = ['--listen', '0.0.0.0:0', '--token-file', token, '--plaintext', '--workers', '0'];
    const run = start(HOME, [...FLAGS, ...SAVED, ...DATA, ...listening, '--out', join(folder, name)]);
    const url = (await run.said(/^Nodes can connect/)).split(' ').at(-1) as string;
    const data = DATA.includes('synthetic') ? [] : DATA;
    const nodes = AWAY.map((away) => {
      const here = `ws://${addressFor(away)}:${new URL(url).port}`;
      return start(away, ['worker', '--connect', here, '--token-file', token, '--threads', '1', ...data]);
    });
    await Promise.all(nodes.map(({ said }) => said(/^Computing for/)));
    return { run, nodes, progress: new Progress(join(folder, name)) };
  }

  async function assertSame(run: Program, name: string): Promise<void> {
    const { status, stdout, stderr } = await run.ended;
    assert.equal(status, 0, stderr);
    assert.deepEqual(resultOf(stdout), expected);
    assert.deepEqual(stepsOf(join(folder, name)), stepsOf(whole));
  }

  const tests: readonly (readonly [string, string, (name: string) => Promise<void>])[] = [
    [
      'calm',
      'have the bits of one worker',
      async (name) => {
        const { run, nodes } = await gathered(name);
        await assertSame(run, name);
        for (const { ended } of nodes) assert.equal((await ended).status, 0);
      },
    ],
    [
      'interrupted',
      'and also if a link goes down and comes back',
      async (name) => {
        const { run, progress } = await gathered(name);
        assert.ok(await progress.reaches(50, run.ended));
        ip('-n', AWAY[1], 'link', 'set', 'home', 'down');
        assert.ok(await progress.reaches(100, run.ended));
        ip('-n', AWAY[1], 'link', 'set', 'home', 'up');
        await assertSame(run, name);
      },
    ],
    [
      'lost',
      'and also if a link goes down for good',
      async (name) => {
        const { run, progress } = await gathered(name);
        assert.ok(await progress.reaches(50, run.ended));
        ip('-n', AWAY[1], 'link', 'set', 'home', 'down');
        await assertSame(run, name);
      },
    ],
  ];
  for (const [name, title, body] of tests) it(title, () => within(HANG_MS, body(name), 'the run ends'));
});
