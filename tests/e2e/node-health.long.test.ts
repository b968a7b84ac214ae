// What an engine asks a node by --health-port, from its start to the end of its run.
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, it, type TestContext } from 'node:test';
import { madeFile } from '../support/made-images.ts';
import { lockstep, type Program, startLockstep } from '../support/program.ts';
import { takenPort } from '../support/taken-port.ts';

const folder = mkdtempSync(join(tmpdir(), 'lockstep-health-'));
after(() => rmSync(folder, { recursive: true }));

function start(t: TestContext, ...args: readonly string[]): Program {
  const program = startLockstep(args);
  t.after(() => program.signal('SIGKILL'));
  return program;
}

/** Asks until the answer is this one. */
async function until(url: string, status: number, text: string): Promise<void> {
  for (const begin = performance.now(); performance.now() - begin < 60_000; ) {
    const response = await fetch(url);
    const answer = [response.status, await response.text()];
    if (answer[0] === status && answer[1] === text) return;
  }
  assert.fail(`${url} never answered ${status}`);
}

it('a node lives from its start, and is ready while it is joined', async (t) => {
  const data = ['--data', madeFile(folder, 512, 64)];
  const train = ['train', ...data, '--iterations', '1000000', '--workers', '1', '--metrics-port', 'off'];
  const coordinator = start(t, ...train, '--listen', '127.0.0.1:0', '--out', join(folder, 'run'));
  const url = (await coordinator.said(/^Nodes can connect/)).split(' ').at(-1) as string;
  const node = start(t, 'worker', '--connect', url, '--threads', '1', '--keep', '--health-port', '0', ...data);
  const health = (await node.said(/^Health: /)).split(' ').at(-1)?.replace('/readyz', '') as string;
  assert.match(health, /^http:\/\/127\.0\.0\.1:\d+$/);
  await until(`${health}/healthz`, 200, 'ok\n');
  await until(`${health}/readyz`, 200, 'ready\n');
  coordinator.signal('SIGKILL');
  await until(`${health}/readyz`, 503, 'starting\n');
  await until(`${health}/healthz`, 200, 'ok\n');
  node.signal('SIGTERM');
  assert.equal((await node.ended).status, 143);
});

it('a port that is taken, or none, is refused', async (t) => {
  const worker = ['worker', '--connect', 'ws://127.0.0.1:1'];
  for (const [code, flags, line] of [
    [
      75,
      ['--health-port', String(await takenPort(t))],
      /^Port \d+ on 127\.0\.0\.1 is taken by another program\. .*--health-port/m,
    ],
    [2, ['--health-port', 'many'], /^--health-port: expected a whole number from 0 to 65535, but got "many"\.$/m],
    [2, ['--health-host', '0.0.0.0'], /^--health-host: expected --health-port beside it\.$/m],
  ] as const) {
    const { status, stderr } = lockstep([...worker, ...flags]);
    assert.equal(status, code, stderr);
    assert.match(stderr, line);
  }
});
