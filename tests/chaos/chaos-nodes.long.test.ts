// More of them: npm run chaos -- --kind nodes
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { EVENT_KINDS, schedules } from './node-schedule.ts';
import { disturb, undisturbed } from './nodes.ts';
import { Tally } from './tally.ts';

/** Each kind of event comes at least once; rounds of replicas are disturbed by fewer. */
const SCHEDULES = { steps: Math.ceil(EVENT_KINDS.length / 2), rounds: 5 };
const AT_ONCE = 2;

const folder = mkdtempSync(join(tmpdir(), 'lockstep-chaos-nodes-'));
after(() => rmSync(folder, { recursive: true }));

const tally = new Tally();

for (const job of ['steps', 'rounds'] as const) {
  describe(`nodes and networks that are disturbed leave the bits of ${job} alone`, { concurrency: AT_ONCE }, () => {
    const expected = undisturbed(folder, job);
    for (const [index, schedule] of schedules(SCHEDULES[job], job === 'steps' ? 1 : 2).entries()) {
      const kinds = schedule.events.map(({ action }) => (action.kind === 'wire' ? action.fault.kind : action.kind));
      it(`${index}: ${kinds.join(', ')}`, async () => {
        tally.merge(await disturb(join(folder, `${job}-${index}`), schedule, expected));
      });
    }
  });
}

it('every kind of event has really happened', () => {
  assert.deepEqual(
    EVENT_KINDS.filter((kind) => tally.get(kind) === 0),
    [],
    `what happened: ${tally}`,
  );
});
