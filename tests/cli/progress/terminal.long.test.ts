import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, type TestContext, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { inTerminal, skip } from '../../support/terminal/pseudo-terminal.ts';

const BAR = /[━─]/;

describe('in a pseudo-terminal', { skip }, () => {
  const program = fileURLToPath(new URL('../../support/terminal/bar-program.js', import.meta.url));
  const main = fileURLToPath(new URL('../../../cli/main.js', import.meta.url));

  for (const [before, after] of [
    [100, 20],
    [20, 100],
  ] as const) {
    test(`the bar goes from ${before} to ${after} columns, and with the process`, async () => {
      const { exitCode, output, screen } = await inTerminal([program], {
        columns: before,
        cues: [['waiting', { columns: after }]],
      });
      const evaluation = 'step 2/4  loss 0.5000  accuracy 75.00 %  test 50.00 %  25,600 samples/s';
      assert.deepEqual(screen.lines, [`columns ${before}`, 'waiting', `columns ${after}`, evaluation, '']);
      assert.match(output, BAR);
      assert.equal(exitCode, 3);
    });
  }

  async function trained(t: TestContext, flags: readonly string[], cue: Parameters<typeof inTerminal>[1]) {
    const folder = await mkdtemp(join(tmpdir(), 'lockstep-'));
    t.after(() => rm(folder, { recursive: true }));
    const args = [
      main,
      'train',
      '--data',
      'synthetic',
      '--metrics-port',
      'off',
      '--out',
      join(folder, 'run'),
      ...flags,
    ];
    return inTerminal(args, cue);
  }

  test('a run leaves clean text', async (t) => {
    const { exitCode, output, screen } = await trained(t, ['--iterations', '300'], {
      columns: 90,
      cues: [['step 100/300', { columns: 20 }]],
    });
    assert.equal(exitCode, 0);
    assert.match(output, BAR);
    assert.match(
      screen.lines.join('\n'),
      /^Data: SYNTHETIC .*\nTraining .*\nRun directory: .*\nstep 100\/300 .* test .*\nstep 300\/300 .* test .*\nDone: .*\nWeights SHA-256: [0-9a-f]{64}\nNext: .*\n$/,
    );
  });

  test('Ctrl-C ends a run after its step, and leaves clean text', async (t) => {
    const { exitCode, screen } = await trained(t, ['--iterations', '1000000'], {
      columns: 90,
      cues: [['step     100/1000000', { type: '\x03' }]],
    });
    assert.equal(exitCode, 130);
    assert.match(
      screen.lines.join('\n'),
      /\nstep +100\/1000000 .*\nSIGINT: .*\nStopped after \d+ of .*\nWeights .*\nTo resume: .*\n$/,
    );
  });
});
