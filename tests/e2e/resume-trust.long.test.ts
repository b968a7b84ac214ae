import assert from 'node:assert/strict';
import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type IncomingHttpHeaders } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { lockstep, manifestOf, startLockstep } from '../support/program.ts';

const folder = mkdtempSync(join(tmpdir(), 'lockstep-trust-'));
after(() => rmSync(folder, { recursive: true }));

const SMALL = ['--batch', '16', '--shard-size', '4', '--evaluate-every', '0', '--data', 'synthetic'];

/** A run of ten steps that can be resumed, as another user may have prepared it. */
function preparedRun(name: string, options: Readonly<Record<string, unknown>>): string {
  const run = join(folder, name);
  const flags = ['--iterations', '10', '--schedule', 'constant', '--metrics-port', 'off', '--out', run];
  const { status, stderr } = lockstep(['train', ...SMALL, ...flags]);
  assert.equal(status, 0, stderr);
  const { result: _, ...manifest } = manifestOf(run);
  const config = { ...(manifest.config as Record<string, unknown>), ...options };
  const explicit = [...(manifest.explicit as string[]), ...Object.keys(options)];
  writeFileSync(join(run, 'run.json'), JSON.stringify({ ...manifest, config, explicit, state: 'stopped' }));
  return run;
}

describe('a run directory that another user made', () => {
  it('gets no file of this machine sent to its receiver, and writes to no file that it names', async () => {
    const requests: IncomingHttpHeaders[] = [];
    const server = createServer((request, response) => {
      requests.push(request.headers);
      response.writeHead(204).end();
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const secret = join(folder, 'secret');
    writeFileSync(secret, 'a-secret-of-this-machine');
    chmodSync(secret, 0o600);
    const logFile = join(folder, 'profile');
    const run = preparedRun('sends', {
      remoteWrite: `http://127.0.0.1:${(server.address() as AddressInfo).port}/api/v1/write`,
      remoteWriteTokenFile: secret,
      logFile,
    });
    // Asynchronous, because this process serves meanwhile.
    const { ended } = startLockstep(['train', '--resume', run, '--iterations', '20', '--metrics-port', 'off']);
    const { status, stderr } = await ended;
    await new Promise((resolve) => server.close(resolve));
    assert.equal(status, 0, stderr);
    assert.deepEqual(requests, []);
    assert.equal(existsSync(logFile), false);
    // What was not taken is named, with the command that adds it.
    for (const flag of ['--remote-write ', '--remote-write-token-file ', '--log-file ']) {
      assert.match(stderr, new RegExp(`train --resume .*${flag}`));
    }
    const { config } = manifestOf(run);
    assert.equal((config as Record<string, unknown>).remoteWrite, undefined);
  });

  it('opens no port to other machines', async () => {
    const run = preparedRun('listens', {
      listen: '0.0.0.0:0',
      plaintext: true,
      metricsHost: '0.0.0.0',
      metricsPort: 0,
    });
    const { status, stderr } = lockstep(['train', '--resume', run, '--iterations', '20']);
    assert.equal(status, 0, stderr);
    assert.doesNotMatch(stderr, /Nodes can connect/);
    assert.match(stderr, /Metrics: http:\/\/127\.0\.0\.1:\d+\//);
    assert.match(stderr, /train --resume .*--listen 0\.0\.0\.0:0/);
    assert.match(stderr, /--plaintext/);
  });

  it('cannot hide commands in the command line that is printed', () => {
    const run = preparedRun('hides', { logFile: "x'; rm -rf ~ #\u001b[2K\n--plaintext" });
    const { stderr } = lockstep(['train', '--resume', run, '--iterations', '20', '--metrics-port', 'off']);
    assert.match(stderr, /--log-file \$'x\\047; rm -rf ~ #\\033\[2K\\012--plaintext'$/m);
  });

  it('keeps what decides its bits and its intervals', () => {
    const run = preparedRun('keeps', { checkpointEvery: 7, keep: 3, seed: 1 });
    const { status, stderr } = lockstep(['train', '--resume', run, '--iterations', '20', '--metrics-port', 'off']);
    assert.equal(status, 0, stderr);
    const { config } = manifestOf(run) as unknown as { config: Record<string, unknown> };
    assert.deepEqual([config.checkpointEvery, config.keep, config.batch], [7, 3, 16]);
    assert.doesNotMatch(stderr, /To use the others/);
    assert.ok(readFileSync(join(run, 'steps.jsonl'), 'utf8').trimEnd().split('\n').length === 20);
  });
});
