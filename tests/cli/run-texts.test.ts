import assert from 'node:assert/strict';
import { test } from 'node:test';
import { summaryText } from '#src/cli/run-texts.js';
import type { Summary } from '#src/coordinator/run/summary.js';
import { resolveTrainConfig } from '#src/shared/config/config.js';

const SUMMARY: Summary = {
  run: 'runs/first',
  steps: 40,
  testedAt: 40,
  testAccuracy: 0.9,
  testLoss: 0.3,
  validationAccuracy: 0.875,
  validationLoss: 0.5,
  best: { step: 30, validationAccuracy: 0.85, validationLoss: 0.4 },
  trainLoss: 0.25,
  weightsSha256: 'a'.repeat(64),
  chain: 'b'.repeat(64),
  samplesPerSecond: 1000,
  seconds: 2,
  ...{ workers: 1, backend: 'kernel', dataset: 'mnist', seed: 1 },
};

function linesOf(summary: Summary, flags: Readonly<Record<string, unknown>>): string[] {
  const { config } = resolveTrainConfig({ flags: { validation: 0.1, ...flags }, env: {} });
  return summaryText(summary, config).map(([line]) => line);
}

test('the last lines tell of the validation samples, and where the best checkpoint is', () => {
  const [first, , best] = linesOf(SUMMARY, { iterations: 40, keepBest: true });
  assert.match(first ?? '', /^Done: test accuracy 90\.00 %, validation accuracy 87\.50 %, training loss 0\.2500, /);
  assert.match(
    best ?? '',
    /^Lowest validation loss: 0\.4000 after step 30: .*runs.first.checkpoints.step-00000030\.safetensors$/,
  );
  const [, , unkept] = linesOf(SUMMARY, { iterations: 40 });
  assert.equal(unkept, 'Lowest validation loss: 0.4000 after step 30');
});

test('a run that ended early is done, and says why', () => {
  const lines = linesOf({ ...SUMMARY, stoppedEarly: true }, { iterations: 100, patience: 3 });
  assert.match(
    lines[0] ?? '',
    /^Done after 40 of 100 steps, as the last 3 evaluations had no lower validation loss: test /,
  );
  assert.match(lines.at(-1) ?? '', /^Next: .*evaluate/);
  const [stopped = ''] = linesOf(SUMMARY, { iterations: 100, patience: 3 });
  assert.match(stopped, /^Stopped after 40 of 100 steps: /);
});

test('without validation samples nothing is said of them', () => {
  const { validationAccuracy: _, validationLoss: __, best: ___, ...rest } = SUMMARY;
  assert.doesNotMatch(linesOf(rest, { iterations: 40, validation: 0 }).join('\n'), /alidation/);
});

test('a run that is stopped says which options its next attempt lacks, without their values', () => {
  const flags = { iterations: 100, maxTime: '3h', notify: 'mail s3cret', checkpointCommand: 'cp {file} s3cret' };
  const lines = linesOf(SUMMARY, flags).slice(-2);
  assert.match(lines[0] ?? '', /^To resume: .* train --resume runs.first .*--max-time 3h/);
  assert.equal(
    lines[1],
    "Give it --checkpoint-command and --notify again too: a value that may hold a secret isn't printed.",
  );
  assert.match(linesOf(SUMMARY, { iterations: 100 }).at(-1) ?? '', /^To resume: /);
});
