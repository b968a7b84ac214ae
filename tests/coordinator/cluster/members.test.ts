import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import { Members } from '#src/coordinator/cluster/members.js';
import { DirectMember } from '../../support/cluster.ts';

test('that nobody is there is said less and less often, and anew after a member left', async (t) => {
  t.mock.timers.enable({ apis: ['setTimeout'] });
  const said: number[] = [];
  let second = 0;
  const members = new Members({ onNoMembers: () => said.push(second) }, () => false);
  /** Passes so many seconds, one after the other. */
  const pass = async (seconds: number): Promise<void> => {
    for (const end = second + seconds; second < end; ) {
      second++;
      t.mock.timers.tick(1000);
      await setImmediate();
    }
  };
  const first = members.ready();
  await pass(1900);
  assert.deepEqual(said.splice(0), [0, 10, 30, 70, 150, 310, 630, 1230, 1830]);
  const member = new DirectMember('a', 1);
  members.join(member);
  await first;
  members.leave(member);
  const again = members.ready();
  await pass(35);
  assert.deepEqual(said, [1900, 1910, 1930]);
  members.close();
  await again;
  await member.close();
});
