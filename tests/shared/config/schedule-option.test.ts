import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { isSameOption, shownOption } from '#src/shared/config/compare-options.js';
import { resolveTrainConfig } from '#src/shared/config/config.js';
import { resumeTrainConfig } from '#src/shared/config/resume-config.js';
import { MAX_SCHEDULE_POINTS, SCHEDULE_OPTION, scheduleText } from '#src/shared/config/schedule-option.js';
import { UsageError } from '#src/shared/util/errors.js';

const TEXT = '0:0.1,1000:1,8000:0.1';
const TABLE = [
  [0, 0.1],
  [1000, 1],
  [8000, 0.1],
];
const resolve = (flags: Readonly<Record<string, unknown>>) => resolveTrainConfig({ flags, env: {} });

describe('a table as --schedule', () => {
  test('is the same as a text and as an array, and has no warm-up', () => {
    for (const schedule of [TEXT, TABLE, ' 0:1e-1, 1e3 : 1,8000:.1']) {
      const { config } = resolve({ schedule });
      assert.deepEqual(config.schedule, TABLE);
      assert.equal(config.warmup, 0);
      assert.equal(scheduleText(config.schedule), TEXT);
      assert.equal(shownOption('schedule', config), TEXT);
      assert.ok(isSameOption('schedule', config, resolve({ schedule: TEXT }).config));
    }
    assert.ok(!isSameOption('schedule', resolve({ schedule: TEXT }).config, resolve({ schedule: '0:0.1' }).config));
    assert.deepEqual(SCHEDULE_OPTION.parse([[0, -0]]), [[0, 0]]);
    assert.equal(SCHEDULE_OPTION.parse(undefined), 'cosine');
  });

  test('is refused with its first fault', () => {
    const many = (length: number) => Array.from({ length }, (_, step) => [step, 1]);
    assert.equal(resolve({ schedule: many(MAX_SCHEDULE_POINTS) }).config.schedule.length, MAX_SCHEDULE_POINTS);
    for (const [schedule, problem] of [
      ['linear', /got "linear", which has no whole number of steps in point 1/],
      ['0:1,', /steps in point 2/],
      ['0:1:2', /steps in point 1/],
      ['0.5:1', /steps in point 1/],
      ['-1:1', /steps in point 1/],
      ['4294967296:1', /steps in point 1/],
      ['0:', /no factor from 0 to 1,000,000 at step 0/],
      ['0:1,5:-0.1', /no factor .* at step 5/],
      ['0:Infinity', /no factor/],
      ['0:1000001', /no factor/],
      ['0:1,5:1,5:2', /step 5 after step 5/],
      ['9:1,5:1', /step 5 after step 9/],
      [[], /has 0 points/],
      [many(MAX_SCHEDULE_POINTS + 1), /has 1001 points/],
      [[[0]], /expected cosine, constant or at most 1000 points/],
      [[[0, '1']], /expected cosine, constant or/],
    ] as const) {
      assert.throws(
        () => resolve({ schedule }),
        (error) => error instanceof UsageError && problem.test(error.message),
        String(schedule),
      );
    }
  });

  test('takes no warm-up besides', () => {
    assert.equal(resolve({ schedule: TEXT, warmup: 0 }).config.warmup, 0);
    assert.throws(() => resolve({ schedule: TEXT, warmup: 5 }), /^UsageError: --warmup: the table of --schedule is/);
  });

  test('is kept by a resumed run, whose iterations may be raised', () => {
    const own = resolve({ schedule: TEXT, iterations: 100 });
    const refused = (flags: Readonly<Record<string, unknown>>) => resumeTrainConfig({ flags, env: {} }, own).refused;
    assert.deepEqual(refused({ schedule: TABLE, iterations: 200 }), []);
    assert.deepEqual(refused({ schedule: '0:1' }), [`--schedule: the run has ${TEXT}, but this is 0:1`]);
    assert.equal(refused({ iterations: 99 }).length, 1);
  });
});
