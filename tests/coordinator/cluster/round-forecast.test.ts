import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Member } from '#src/coordinator/cluster/member.js';
import { MemberState } from '#src/coordinator/cluster/member-state.js';
import { forecastRound, forecastText } from '#src/coordinator/cluster/round-forecast.js';
import { Watchdog } from '#src/shared/scheduler/watchdog.js';

const JOB = { replicas: 8, syncEvery: 16 };
const watchdog = new Watchdog(() => {});

/** A member that took so many milliseconds for each replica, and for what is exchanged. */
function measured(replicaMs: number, exchangeMs: number, isLocal = false): MemberState {
  const state = new MemberState({ name: 'a', threads: 1, isLocal } as Member, watchdog);
  for (let i = 0; i < 4; i++) state.speeds.replica.measure(2, 2 * replicaMs, 2 * replicaMs + exchangeMs);
  return state;
}

test('a round is forecast from what was measured of its members', () => {
  const forecast = forecastRound(8, [measured(100, 0, true), measured(100, 10), measured(100, 10), measured(100, 10)]);
  assert.ok(forecast !== undefined);
  assert.deepEqual([forecast.nodes, Math.round(forecast.roundMs), forecast.aloneMs], [3, 210, 800]);
  assert.deepEqual(forecastText(forecast, JOB), {
    text: '8 replicas x 16 steps: about 5 % of the time of 3 nodes is communication; a round takes about 210 ms; this machine alone would take 800 ms.',
    pays: true,
  });
});

test('nothing is forecast as long as the speed of a member is unknown', () => {
  const unknown = new MemberState({ name: 'a', threads: 1 } as Member, watchdog);
  assert.equal(forecastRound(8, [measured(100, 10), unknown]), undefined);
  assert.equal(forecastRound(8, []), undefined);
});

test('nodes that spend most of their time on the exchange, or get no work for it, are warned of', () => {
  const slow = forecastRound(8, [measured(10, 50)]);
  assert.ok(slow !== undefined && forecastText(slow, JOB).pays);
  const slower = forecastRound(8, [measured(10, 200)]);
  assert.ok(slower !== undefined);
  const { text, pays } = forecastText(slower, JOB);
  assert.equal(pays, false);
  assert.match(text, /about 71 % of the time of 1 node .* More local steps \(--sync-every\)/);
  const idle = forecastRound(8, [measured(10, 0, true), measured(10, 20_000)]);
  assert.ok(idle !== undefined);
  assert.equal(idle.communication, undefined);
  assert.match(forecastText(idle, JOB).text, /1 node takes longer than their work saves, so they get none/);
});
