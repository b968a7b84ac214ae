// More of them: npm run chaos -- --kind nodes
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { EVENT_KINDS, schedules } from './node-schedule.ts';
import { disturb, undisturbed } from './nodes.ts';
import { Tally } from './tally.ts';

/** Each kind of event comes at least once. */
const SCHEDULES = Math.ceil(EVENT_KINDS.length / 2);
const AT_ONCE = 2;

const folder = mkdtempSync(join(tmpdir(), 'lockstep-chaos-nodes-'));
after(() => rmSync(folder, { recursive: true }));

const expected = undisturbed(folder);
const tally = new Tally();

describe('nodes and networks that are disturbed leave the bits alone', { concurrency: AT_ONCE }, () => {
  for (const [index, schedule] of schedules(SCHEDULES, 1).entries()) {
    const kinds = schedule.events.map(({ action }) => (action.kind === 'wire' ? action.fault.kind : action.kind));
    it(`${index}: ${kinds.join(', ')}`, async () => {
      tally.merge(await disturb(join(folder, String(index)), schedule, expected));
    });
  }
});

it('every kind of event has really happened', () => {
  assert.deepEqual(
    EVENT_KINDS.filter((kind) => tally.get(kind) === 0),
    [],
    `what happened: ${tally}`,
  );
});
