import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { Log } from '#src/cli/terminal/log.js';
import { DATA, lockstep } from '../support/program.ts';

const folder = mkdtempSync(join(tmpdir(), 'lockstep-log-'));
after(() => rmSync(folder, { recursive: true }));

const FLAGS = ['train', ...DATA, '--iterations', '120', '--batch', '16', '--metrics-port', 'off'];

type Line = Record<string, unknown> & { readonly level: string; readonly msg: string };

function linesOf(text: string): Line[] {
  return text
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line));
}

describe('the log', () => {
  test('is JSON on stderr if that is no terminal, each line with its run, and its step if it has one', () => {
    const { status, stderr } = lockstep([...FLAGS, '--log-format', 'auto', '--out', join(folder, 'json')]);
    assert.equal(status, 0, stderr);
    const lines = linesOf(stderr);
    for (const { level, time, msg } of lines) {
      assert.equal(level, 'info');
      assert.ok(Math.abs(Date.parse(String(time)) - Date.now()) < 600_000);
      assert.ok(msg.length > 0);
    }
    const begun = lines.findIndex(({ msg }) => msg.startsWith('Training lenet5'));
    const [run] = new Set(lines.slice(begun).map((line) => line.run));
    assert.equal(run, 'json');
    const tested = lines.find(({ testAccuracy }) => testAccuracy !== undefined);
    assert.equal(tested?.step, 100);
    assert.ok((tested?.testAccuracy as number) > 0.05);
    const done = lines.find(({ msg }) => msg.startsWith('Done'));
    assert.equal(done?.step, 120);
    assert.equal(done?.run, 'json');
    assert.match(String(done?.weightsSha256), /^[0-9a-f]{64}$/);
  });

  test('has the reason for a failed run', () => {
    const { status, stderr } = lockstep([...FLAGS, '--log-format', 'json', '--out', join(folder, 'json')]);
    assert.equal(status, 2);
    const last = linesOf(stderr).at(-1);
    assert.equal(last?.level, 'error');
    assert.match(String(last?.msg), /isn't empty/);
  });

  test('a file that cannot be opened is refused before anything is done', () => {
    const out = join(folder, 'refused');
    const { status, stderr } = lockstep([...FLAGS, '--log-file', join(folder, 'no', 'such', 'x.log'), '--out', out]);
    assert.equal(status, 2);
    assert.match(stderr, /^--log-file: .* can't be written: ENOENT/);
    assert.ok(!existsSync(out));
  });

  test('holds no secret', () => {
    let text = '';
    const stream = {
      write: (line: string) => {
        text += line;
      },
    };
    const log = new Log({ level: 'info', file: undefined, stream, onTrouble: assert.fail });
    const headers = { authorization: 'Bearer hush-hush' };
    log.write('said', { token: 'hush-hush', config: { token: 'hush-hush' }, request: { headers } });
    assert.equal(linesOf(text).length, 1);
    assert.doesNotMatch(text, /hush/);
  });
});
