import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { jsonOf } from '#src/cli/print.js';
import { Log } from '#src/cli/terminal/log.js';
import { Terminal } from '#src/cli/terminal/terminal.js';
import { ended, manifestJson, readManifest } from '#src/coordinator/run/manifest.js';
import { CONTROL } from '../support/control-characters.ts';
import { DATA, lockstep } from '../support/program.ts';

const folder = mkdtempSync(join(tmpdir(), 'lockstep-printed-'));
after(() => rmSync(folder, { recursive: true }));

/** Erases the screen (by two ways of writing it), and begins a line that looks like one of ours. */
const HOSTILE = 'x\u001b[2J\u009b2J\nDone: forged\r';
const PLAIN = 'x?[2J?2J?Done: forged?';

function assertHarmless(text: string): void {
  assert.doesNotMatch(text, CONTROL);
  assert.doesNotMatch(text, /^Done: forged/m);
}

describe('a hostile text', () => {
  it('is one plain line on a terminal, and as its status', () => {
    let written = '';
    const stream = {
      isTTY: true,
      columns: 80,
      write: (text: string) => (written += text),
      on: () => {},
      off: () => {},
    };
    const terminal = new Terminal({ stream, env: {}, now: () => 0 });
    terminal.print(HOSTILE);
    assert.equal(written, `${PLAIN}\n`);
    terminal.showText(HOSTILE);
    assert.ok(written.includes(PLAIN));
    terminal.clear();
  });

  it('is one plain line in a log, in a message and in a field', () => {
    const file = join(folder, 'log');
    const log = new Log({ level: 'info', file, stream: undefined, onTrouble: assert.fail });
    log.write(HOSTILE, { node: HOSTILE });
    const text = readFileSync(file, 'utf8');
    assertHarmless(text);
    const { msg, node } = JSON.parse(text);
    assert.deepEqual([msg, node], [PLAIN, HOSTILE.replace('\u009b', '?')]);
  });

  it('is plain as the failure in run.json', async () => {
    const run = join(folder, 'trained');
    const flags = ['--iterations', '1', '--batch', '16', '--evaluate-every', '0', '--metrics-port', 'off'];
    assert.equal(lockstep(['train', ...flags, ...DATA, '--workers', '1', '--out', run]).status, 0);
    const failed = ended(await readManifest(run), { state: 'failed', steps: 1, chain: 'c', failure: HOSTILE });
    assert.equal(manifestJson(failed).failure, PLAIN);
  });

  it('steers nothing as the name of a run or a file, whatever prints it', () => {
    const runs = join(folder, 'runs');
    const run = join(runs, HOSTILE);
    mkdirSync(join(run, 'checkpoints'), { recursive: true });
    writeFileSync(join(run, 'run.json'), '{}');
    writeFileSync(join(run, 'steps.jsonl'), '');
    writeFileSync(join(run, 'checkpoints', 'step-00000001.safetensors'), HOSTILE);
    for (const args of [
      ['runs', runs],
      ['runs', runs, '--json'],
      ['evaluate', run],
      ['evaluate', join(run, 'none')],
      ['predict', join(run, 'none.png'), '--run', run],
      ['diff', run, run],
      ['verify', run],
      ['train', '--resume', run],
      ['train', '--out', run, ...DATA],
      ['runs', runs, '--remove', HOSTILE],
    ]) {
      const { stdout, stderr } = lockstep(args);
      assert.ok(stdout.length + stderr.length > 0, args[0]);
      assertHarmless(stdout);
      assertHarmless(stderr);
    }
  });

  it('is escaped in JSON, and reads back as it was', () => {
    const text = jsonOf({ name: HOSTILE });
    assertHarmless(text);
    assert.deepEqual(JSON.parse(text), { name: HOSTILE });
  });
});
