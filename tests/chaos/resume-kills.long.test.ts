// More of them: npm run chaos
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { disturb, schedules, undisturbed } from './coordinator.ts';

const SCHEDULES = 8;

const folder = mkdtempSync(join(tmpdir(), 'lockstep-kills-'));
after(() => rmSync(folder, { recursive: true }));

const expected = await undisturbed(folder);

it('a checkpoint: the log is synced, then the file is written, synced, renamed, and its folder synced', () => {
  const file = 'step-00000100.safetensors.tmp';
  const at = expected.operations.indexOf(`writeFile ${file}`);
  assert.deepEqual(expected.operations.slice(at - 1, at + 4), [
    'sync steps.jsonl',
    `writeFile ${file}`,
    `sync ${file}`,
    `rename ${file}`,
    'sync checkpoints',
  ]);
});

describe('a coordinator that is killed and resumed', () => {
  for (const [index, schedule] of schedules(SCHEDULES, 1, expected).entries()) {
    const kills = schedule.kills.map((kill) => ('after' in kill ? 'at a moment' : `${kill.moment} an operation`));
    it(`ends with the same bits and the same log (${index + 1}: ${kills.join(', ')})`, async () => {
      await disturb(join(folder, String(index)), schedule, expected);
    });
  }
});
