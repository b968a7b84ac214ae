import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { after, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { refusing } from '../support/mirror.ts';
import { DATA, lockstep, startLockstep } from '../support/program.ts';
import { startReceiver } from '../support/receiver.ts';
import { inTerminal, skip } from '../support/terminal/pseudo-terminal.ts';

const folder = mkdtempSync(join(tmpdir(), 'lockstep-log-'));
after(() => rmSync(folder, { recursive: true }));

const MAIN = fileURLToPath(new URL('../../cli/main.js', import.meta.url));
const FLAGS = ['train', ...DATA, '--iterations', '120', '--batch', '16', '--metrics-port', 'off'];

type Line = Record<string, unknown> & { readonly level: string; readonly msg: string };

function linesOf(text: string): Line[] {
  return text
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line));
}

describe('the log', () => {
  test('is also appended to a file, while the terminal shows text', () => {
    const file = join(folder, 'train.log');
    for (const out of ['first', 'second']) {
      const { status, stderr } = lockstep([...FLAGS, '--log-file', file, '--out', join(folder, out)]);
      assert.equal(status, 0);
      assert.match(stderr, /^Training lenet5/m);
    }
    const messages = linesOf(readFileSync(file, 'utf8')).map(({ msg }) => msg);
    assert.equal(messages.filter((msg) => msg.startsWith('Done')).length, 2);
  });

  test('holds the lines of its level and above', () => {
    const file = join(folder, 'quiet.log');
    const flags = ['--log-level', 'warn', '--log-file', file, '--out', join(folder, 'quiet')];
    const { status, stderr } = lockstep([...FLAGS, ...flags]);
    assert.equal(status, 0);
    assert.equal(stderr, '');
    assert.equal(readFileSync(file, 'utf8'), '');
  });

  describe('with --log-level warn holds warnings, and nothing else:', () => {
    const WARN = ['--log-level', 'warn', '--log-format', 'json', '--evaluate-every', '0'];

    async function warnings(flags: readonly string[], env: NodeJS.ProcessEnv = {}): Promise<string> {
      const file = join(folder, 'warnings.log');
      rmSync(file, { force: true });
      const { status, stderr } = await startLockstep([...flags, ...WARN, '--log-file', file], env).ended;
      assert.equal(status, 0, stderr);
      assert.equal(readFileSync(file, 'utf8'), stderr);
      const lines = linesOf(stderr);
      for (const { level, msg } of lines) assert.equal(level, 'warn', msg);
      return lines.map(({ msg }) => msg).join('\n');
    }

    const short = ['train', '--iterations', '2', '--batch', '8', '--workers', '1', '--metrics-port', 'off'];

    test('that the digits are synthetic', async () => {
      const env = { HOME: join(folder, 'home'), MNIST_DIR: '', LOCKSTEP_MNIST_MIRRORS: await refusing() };
      const text = await warnings([...short, '--out', join(folder, 'fallback')], env);
      assert.match(
        text,
        /^WARNING: MNIST .* \(the connection was refused\)\. The data are SYNTHETIC digits[\s\S]*--data or \$MNIST_DIR/,
      );
    });

    test('that a receiver refuses samples, and how many it did not get', async (t) => {
      const { url } = await startReceiver(t, (_number, response) => response.writeHead(400).end('no'));
      const out = join(folder, 'refused');
      const text = await warnings([...short, '--data', 'synthetic', '--remote-write', url, '--out', out]);
      assert.match(text, /^Remote write to .*\. Those samples are DROPPED/m);
      assert.match(text, /^Remote write: 0 samples sent, \d+ DROPPED/m);
    });

    test('that a checkpoint is passed over; the level is that of the resuming command', async () => {
      const out = join(folder, 'passed');
      const flags = ['--data', 'synthetic', '--schedule', 'constant', '--checkpoint-every', '1', '--out', out];
      const first = lockstep([...short, ...flags, '--log-level', 'error']);
      assert.deepEqual([first.status, first.stderr], [0, '']);
      writeFileSync(join(out, 'checkpoints', 'step-00000002.safetensors'), 'damaged');
      const again = ['train', '--resume', out, '--iterations', '3', '--data', 'synthetic', '--metrics-port', 'off'];
      assert.match(await warnings(again), /^PASSED OVER a checkpoint: .*step-00000002/m);
      const last = lockstep([...again.slice(0, 3), '--iterations', '4', ...again.slice(5)]);
      assert.equal(last.status, 0);
      assert.match(last.stderr, /^Training lenet5/m);
    });
  });

  test('a full disk ends the log and not the run', {
    skip: !existsSync('/dev/full') && process.env.CI !== 'true',
  }, () => {
    const { status, stderr } = lockstep([...FLAGS, '--log-file', '/dev/full', '--out', join(folder, 'full')]);
    assert.equal(status, 0);
    assert.equal(stderr.match(/^The log \/dev\/full can't be written \(ENOSPC/gm)?.length, 1);
  });

  test('names the node that a line is about, and a node its run', { timeout: 300_000 }, async () => {
    const out = join(folder, 'nodes');
    const flags = ['--iterations', '1000000', '--listen', '127.0.0.1:0', '--log-format', 'json', '--out', out];
    const run = startLockstep([...FLAGS, ...flags]);
    const connect = /ws:[^"]+/.exec(await run.said(/Nodes can connect/))?.[0] ?? '';
    const node = startLockstep(['worker', '--connect', connect, '--threads', '1', '--log-format', 'json', ...DATA]);
    const joined = JSON.parse(await run.said(/joined with/)) as Line;
    assert.ok(joined.msg.includes(String(joined.node)), joined.msg);
    const computing = JSON.parse(await node.said(/Computing for/)) as Line;
    assert.equal(computing.run, basename(out));
    node.signal('SIGKILL');
    const gone = JSON.parse(await run.said(/is gone/)) as Line;
    assert.equal(gone.level, 'warn');
    assert.equal(gone.node, joined.node);
    assert.equal(typeof gone.step, 'number');
    run.signal('SIGTERM');
    await run.ended;
  });

  test('is text on a terminal', { skip }, async () => {
    const { exitCode, output } = await inTerminal([MAIN, ...FLAGS, '--out', join(folder, 'text')], { columns: 100 });
    assert.equal(exitCode, 0);
    assert.doesNotMatch(output, /"level"/);
    assert.match(output, /Training lenet5/);
  });
});
