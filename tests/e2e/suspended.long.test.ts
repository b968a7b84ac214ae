// A machine that sleeps suspends its processes all at once: time that nobody ran for counts against nobody.
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { DATA, lockstep, type Program, startLockstep, stepsOf } from '../support/program.ts';

/** Longer than either side waits for the other. */
const SUSPENDED_MS = 12_000;
const FLAGS = ['train', '--iterations', '400', '--batch', '64', '--shard-size', '4', '--metrics-port', 'off', '--json'];

const folder = mkdtempSync(join(tmpdir(), 'lockstep-suspended-'));
after(() => rmSync(folder, { recursive: true }));

const whole = join(folder, 'whole');
const alone = lockstep([...FLAGS, ...DATA, '--workers', '1', '--out', whole]);
assert.equal(alone.status, 0, alone.stderr);

const started: Program[] = [];
after(() => {
  for (const { signal } of started) signal('SIGKILL');
});

function start(...args: readonly string[]): Program {
  const program = startLockstep(args);
  started.push(program);
  return program;
}

for (const nodes of [0, 2]) {
  it(`a run with ${nodes} nodes goes on after all of its processes were suspended`, { timeout: 240_000 }, async () => {
    const out = join(folder, `with-${nodes}`);
    const listening = nodes === 0 ? ['--workers', '1'] : ['--workers', '0', '--listen', '127.0.0.1:0'];
    const run = start(...FLAGS, ...DATA, ...listening, '--out', out);
    const programs = [run];
    if (nodes > 0) {
      const url = (await run.said(/^Nodes can connect/)).split(' ').at(-1) as string;
      const data = DATA.includes('synthetic') ? [] : DATA;
      for (let i = 0; i < nodes; i++) programs.push(start('worker', '--connect', url, '--threads', '1', ...data));
      await Promise.all(programs.slice(1).map(({ said }) => said(/^Computing for/)));
    }
    await run.said(/^step/);
    for (const { signal } of programs) signal('SIGSTOP');
    await sleep(SUSPENDED_MS);
    for (const { signal } of programs) assert.ok(signal('SIGCONT'));
    const { status, stdout, stderr } = await run.ended;
    assert.equal(status, 0, stderr);
    assert.equal(JSON.parse(stdout).weightsSha256, JSON.parse(alone.stdout).weightsSha256);
    assert.deepEqual(stepsOf(out), stepsOf(whole));
    assert.doesNotMatch(stderr, /is gone|was lost/);
    for (const { ended } of programs.slice(1)) {
      const node = await ended;
      assert.equal(node.status, 0, node.stderr);
      assert.doesNotMatch(node.stderr, /No connection|was lost/);
    }
  });
}
