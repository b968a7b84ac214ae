import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { newToken } from '#src/shared/util/token.js';
import { DATA, lockstep, startLockstep } from '../../../support/program.ts';

describe('lockstep train --metrics-host', () => {
  const folder = mkdtempSync(join(tmpdir(), 'lockstep-http-'));
  after(() => rmSync(folder, { recursive: true }));
  const text = newToken();
  const file = join(folder, 'token');
  writeFileSync(file, `${text}\n`);
  const short = join(folder, 'short');
  writeFileSync(short, 'hunter2');
  const out = join(folder, 'run');
  const flags = ['train', '--iterations', '20', '--workers', '1', '--metrics-port', '0', '--out', out, ...DATA];

  for (const host of ['0.0.0.0', '::', 'lockstep.example', '192.0.2.1']) {
    test(`refuses ${host} without a token, before anything is begun`, () => {
      const { status, stdout, stderr } = lockstep([...flags, '--metrics-host', host]);
      assert.match(stderr, /anybody who reaches it .*main\.js token.*--metrics-token-file.*LOCKSTEP_METRICS_TOKEN/);
      assert.deepEqual([status, stdout, existsSync(out)], [2, '', false]);
    });
  }

  test('refuses a token that is too short, and never shows it', () => {
    const { status, stderr } = lockstep([...flags, '--metrics-host', '0.0.0.0', '--metrics-token-file', short]);
    assert.equal(status, 2);
    assert.match(stderr, /too short/);
    assert.doesNotMatch(stderr, /hunter2/);
    assert.equal(existsSync(out), false);
  });

  test('refuses to send the token unencrypted, unless that is wanted', () => {
    for (const command of [flags, ['dashboard']]) {
      const { status, stderr } = lockstep([...command, '--metrics-host', '0.0.0.0', '--metrics-token-file', file]);
      assert.match(stderr, /has no TLS, so anybody on the network path can read the token.*--plaintext/);
      assert.deepEqual([status, existsSync(out)], [2, false]);
    }
  });

  for (const [name, args, env] of [
    ['a file', ['--metrics-token-file', file], {}],
    ['the environment', [], { LOCKSTEP_METRICS_TOKEN: text }],
  ] as const) {
    test(`takes the token from ${name}, and leaves it nowhere`, async (t) => {
      const run = `${out}-${name.replace(' ', '-')}`;
      const program = startLockstep(
        [
          ...flags,
          '--iterations',
          '100000',
          '--json',
          '--metrics-host',
          '0.0.0.0',
          '--plaintext',
          ...args,
          '--out',
          run,
        ],
        env,
      );
      t.after(() => program.signal('SIGKILL'));
      const url = (await program.said(/^Metrics: /)).split(' ').at(-1)?.replace('0.0.0.0', '127.0.0.1') as string;
      assert.equal((await fetch(url)).status, 401);
      const response = await fetch(url, { headers: { authorization: `Bearer ${text}` } });
      assert.equal(response.status, 200);
      const body = await response.text();
      assert.match(body, /^lockstep_run_info/m);
      program.signal('SIGTERM');
      const { stdout, stderr } = await program.ended;
      const written = readdirSync(run).filter((entry) => statSync(join(run, entry)).isFile());
      assert.ok(written.includes('run.json'));
      for (const content of [body, stdout, stderr, ...written.map((entry) => readFileSync(join(run, entry), 'utf8'))]) {
        assert.equal(content.includes(text), false);
      }
    });
  }
});
