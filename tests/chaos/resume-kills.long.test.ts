// More of them: npm run chaos
import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { disturb, JOBS, schedules, undisturbed } from './coordinator.ts';

const SCHEDULES = { steps: 8, rounds: 4 };

const folder = mkdtempSync(join(tmpdir(), 'lockstep-kills-'));
after(() => rmSync(folder, { recursive: true }));
for (const job of ['steps', 'rounds']) mkdirSync(join(folder, job));

const expected = {
  steps: await undisturbed(join(folder, 'steps')),
  rounds: await undisturbed(join(folder, 'rounds'), JOBS.rounds),
};

it('a checkpoint: the log is synced, then the file is written, synced, renamed, and its folder synced', () => {
  const file = 'step-00000100.safetensors.tmp';
  const { operations } = expected.steps;
  const at = operations.indexOf(`writeFile ${file}`);
  assert.deepEqual(operations.slice(at - 1, at + 4), [
    'sync steps.jsonl',
    `writeFile ${file}`,
    `sync ${file}`,
    `rename ${file}`,
    'sync checkpoints',
  ]);
});

for (const job of ['steps', 'rounds'] as const) {
  describe(`a coordinator of ${job} that is killed and resumed`, () => {
    for (const [index, schedule] of schedules(SCHEDULES[job], 1, expected[job]).entries()) {
      const kills = schedule.kills.map((kill) => ('after' in kill ? 'at a moment' : `${kill.moment} an operation`));
      it(`ends with the same bits and the same log (${index + 1}: ${kills.join(', ')})`, async () => {
        await disturb(join(folder, `${job}-${index}`), schedule, expected[job]);
      });
    }
  });
}
