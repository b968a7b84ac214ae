// Real coordinators and nodes: processes that meet over a real WebSocket and die of real signals.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { newToken } from '#src/shared/util/token.js';
import { DATA, DATA_OF_NODE, lockstep, type Program, startLockstep, stepsOf } from '../support/program.ts';
import { takenPort } from '../support/taken-port.ts';

const folder = mkdtempSync(join(tmpdir(), 'lockstep-nodes-'));
after(() => rmSync(folder, { recursive: true }));

const FLAGS = ['train', '--batch', '128', '--shard-size', '4', '--metrics-port', 'off', '--json', ...DATA];
const STEPS = ['--iterations', '400', '--checkpoint-every', '20'];
const started: Program[] = [];
after(() => {
  for (const { signal } of started) signal('SIGKILL');
});

function start(args: readonly string[], env?: NodeJS.ProcessEnv): Program {
  const program = startLockstep(args, env);
  started.push(program);
  return program;
}

/** A run that listens on a free port of loopback. */
function coordinator(name: string, ...flags: readonly string[]): Program {
  return start([...FLAGS, ...STEPS, '--listen', '127.0.0.1:0', '--out', join(folder, name), ...flags]);
}

async function urlOf(program: Program): Promise<string> {
  return (await program.said(/^Nodes can connect/)).split(' ').at(-1) as string;
}

function node(url: string, ...flags: readonly string[]): Program {
  return start([
    'worker',
    '--connect',
    url,
    '--threads',
    '1',
    ...(flags.includes('--data') ? [] : DATA_OF_NODE),
    ...flags,
  ]);
}

const whole = join(folder, 'whole');
const alone = lockstep([...FLAGS, ...STEPS, '--workers', '1', '--out', whole]);
assert.equal(alone.status, 0, alone.stderr);
const { weightsSha256, chain } = JSON.parse(alone.stdout);

async function assertSame(program: Program, name: string): Promise<void> {
  const { status, stdout, stderr } = await program.ended;
  assert.equal(status, 0, stderr);
  const result = JSON.parse(stdout);
  assert.deepEqual([result.weightsSha256, result.chain], [weightsSha256, chain]);
  assert.deepEqual(stepsOf(join(folder, name)), stepsOf(whole));
}

describe('a run with remote nodes has the bits of one worker', () => {
  it('and the nodes end with it', async () => {
    const run = coordinator('calm', '--workers', '0');
    const url = await urlOf(run);
    const first = node(url);
    await run.said(/^Node .* joined/);
    // Else the run might be over before the second one has started.
    first.signal('SIGSTOP');
    const second = node(url);
    await run.said(/^Node .*-2 joined/);
    first.signal('SIGCONT');
    await assertSame(run, 'calm');
    for (const { ended } of [first, second]) assert.equal((await ended).status, 0);
  });

  it('without a worker of its own: it waits for nodes, and continues after the last one left and another came', async () => {
    const run = coordinator('remote', '--workers', '0');
    const url = await urlOf(run);
    await run.said(/waiting for a node/);
    const startedAt = Date.now();
    const first = node(url);
    await run.said(/^Node .* joined/);
    first.signal('SIGKILL');
    await run.said(/^Node .* is gone \(its connection broke\); its work goes to others\./);
    node(url);
    await assertSame(run, 'remote');
    const [step] = readFileSync(join(folder, 'remote', 'steps.jsonl'), 'utf8').split('\n');
    const { at, total } = JSON.parse(step ?? '').timings;
    assert.ok(at - 1000 * total >= startedAt, 'the first step has waited for the first node');
  });

  it('and if it is stopped while it waits for nodes: it saves, and can be resumed', async () => {
    const run = coordinator('no-members', '--workers', '0');
    const first = node(await urlOf(run));
    await run.said(/^Node .* joined/);
    first.signal('SIGKILL');
    await run.said(/^Node .* is gone/);
    run.signal('SIGTERM');
    assert.equal((await run.ended).status, 143);
    const again = start(['train', '--resume', join(folder, 'no-members'), '--workers', '1', '--json']);
    await assertSame(again, 'no-members');
  });

  it('if nodes join, leave, are killed and stopped for a while', async () => {
    // A worker of its own could be done before the last node has begun.
    const run = coordinator('elastic', '--workers', '0');
    const url = await urlOf(run);
    const [killed, leaving, stopped] = [node(url), node(url), node(url)] as [Program, Program, Program];
    await Promise.all([killed, leaving, stopped].map(({ said }) => said(/^Computing for/)));
    stopped.signal('SIGSTOP');
    killed.signal('SIGKILL');
    leaving.signal('SIGTERM');
    assert.equal((await leaving.ended).status, 143);
    await run.said(/is gone \(it left\)/);
    stopped.signal('SIGCONT');
    node(url);
    await assertSame(run, 'elastic');
  });

  it('if the coordinator is killed and resumed on the same port: its nodes reconnect', async () => {
    const name = 'resumed';
    const run = coordinator(name, '--workers', '0');
    const url = await urlOf(run);
    const nodes = [node(url), node(url)];
    await Promise.all(nodes.map(({ said }) => said(/^Computing for/)));
    const checkpoints = join(folder, name, 'checkpoints');
    while (!readdirSync(checkpoints).some((file) => file.endsWith('.safetensors'))) {
      await new Promise((resolve) => setImmediate(resolve));
    }
    run.signal('SIGKILL');
    await run.ended;
    const { host } = new URL(url);
    const again = start(['train', '--resume', join(folder, name), '--listen', host, '--workers', '0', '--json']);
    await assertSame(again, name);
    for (const { ended } of nodes) assert.equal((await ended).status, 0);
  });

  it('with a node that waits for the next run, on the same port', async () => {
    const first = coordinator('first', '--workers', '0');
    const url = await urlOf(first);
    const keeping = node(url, '--keep');
    await assertSame(first, 'first');
    const next = coordinator('next', '--workers', '0', '--listen', new URL(url).host);
    await assertSame(next, 'next');
    keeping.signal('SIGTERM');
    assert.equal((await keeping.ended).status, 143);
  });

  it('with a node that has no data: it receives them once, and keeps them', async () => {
    const home = mkdtempSync(join(folder, 'home-'));
    const env = { HOME: home, XDG_CACHE_HOME: '', MNIST_DIR: '' };
    for (const name of ['fetched', 'kept']) {
      const run = coordinator(name, '--workers', '0');
      const lacking = start(['worker', '--connect', await urlOf(run), '--threads', '2'], env);
      await assertSame(run, name);
      assert.equal((await lacking.ended).status, 0);
    }
    if (!DATA.includes('synthetic')) {
      const sets = join(home, process.platform === 'darwin' ? 'Library/Caches' : '.cache', 'lockstep', 'sets');
      assert.equal(readdirSync(sets).length, 1);
    }
  });
});

describe('authentication', () => {
  const [own, other] = ['own', 'other'].map((name) => {
    const file = join(folder, `${name}.token`);
    writeFileSync(file, `${newToken()}\n`);
    return file;
  }) as [string, string];

  it('a node with the token, whose frames are sealed', async () => {
    const run = coordinator('sealed', '--workers', '0', '--token-file', own);
    const url = await urlOf(run);
    const unauthenticatedPeer = node(url, '--token-file', other);
    const without = node(url);
    // Anybody on the network path could say so: they try again.
    for (const refused of [unauthenticatedPeer, without]) {
      await refused.said(/does not hold the token of this run \(4401\).* by --token-file FILE or \$LOCKSTEP_TOKEN\.$/);
      refused.signal('SIGTERM');
      assert.equal((await refused.ended).status, 143);
    }
    const welcome = node(url, '--token-file', own);
    await assertSame(run, 'sealed');
    assert.equal((await welcome.ended).status, 0);
  });

  const openssl = spawnSync('openssl', ['version']).status === 0;
  it('over TLS, bound to the connection', { skip: openssl ? false : 'needs openssl' }, async () => {
    const [cert, key] = [join(folder, 'cert.pem'), join(folder, 'key.pem')];
    const names = ['-subj', '/CN=localhost', '-addext', 'subjectAltName=IP:127.0.0.1'];
    const made = [
      'req',
      '-x509',
      '-newkey',
      'rsa:2048',
      '-nodes',
      '-days',
      '2',
      '-keyout',
      key,
      '-out',
      cert,
      ...names,
    ];
    assert.equal(spawnSync('openssl', made).status, 0);
    const run = coordinator('tls', '--workers', '0', '--token-file', own, '--tls-cert', cert, '--tls-key', key);
    const url = await urlOf(run);
    assert.match(url, /^wss:/);
    const trusting = node(url, '--token-file', own, '--tls-ca', cert);
    await assertSame(run, 'tls');
    assert.equal((await trusting.ended).status, 0);
  });

  const refused: readonly (readonly [string, readonly string[], RegExp])[] = [
    ['no token beyond loopback', ['--listen', '0.0.0.0:0'], /anybody on the network could join.*main\.js token/],
    [
      'plain ws beyond loopback',
      ['--listen', '0.0.0.0:0', '--token-file', own],
      /--tls-cert and --tls-key, or --plaintext/,
    ],
    ['a certificate without its key', ['--listen', '127.0.0.1:0', '--tls-cert', own], /give both, or neither/],
    ['the backend tfjs', ['--listen', '127.0.0.1:0', '--backend', 'tfjs'], /--listen .*kernel alone.*--backend kernel/],
    ['an address without a port', ['--listen', 'localhost'], /expected HOST:PORT/],
    [
      'a token that is not there',
      ['--listen', '127.0.0.1:0', '--token-file', join(folder, 'none')],
      /none can't be read/,
    ],
  ];
  for (const [name, flags, message] of refused) {
    it(`refused: ${name}`, () => {
      const out = join(folder, 'refused');
      const { status, stdout, stderr } = lockstep([...FLAGS, '--out', out, ...flags]);
      assert.match(stderr, message);
      assert.deepEqual([status, stdout, existsSync(out)], [2, '', false]);
    });
  }

  it('refused: an address that is taken, and no run begins', async (t) => {
    const listen = `127.0.0.1:${await takenPort(t)}`;
    const program = start([...FLAGS, '--listen', listen, '--out', join(folder, 'taken')]);
    const { status, stderr } = await program.ended;
    assert.equal(status, 75);
    assert.match(stderr, /^--listen: 127\.0\.0\.1:\d+ can't be bound: .*EADDRINUSE/m);
  });

  it('refused: a URL with a token, or of another protocol', () => {
    for (const url of ['ws://token@127.0.0.1:1', 'ws://127.0.0.1:1/?token=x', 'http://127.0.0.1:1', 'nonsense']) {
      assert.equal(lockstep(['worker', '--connect', url]).status, 2, url);
    }
  });

  it('a new token is printed by `lockstep token`', () => {
    const { stdout } = lockstep(['token']);
    assert.match(stdout, /^[\w-]{43}\n$/);
    assert.notEqual(stdout, lockstep(['token']).stdout);
  });
});
