import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, test } from 'node:test';
import { parseStepLine, stepLine } from '#src/coordinator/run/step-lines.js';
import { testPointOf } from '#src/shared/live/feed.js';
import { pointOf } from '#src/shared/live/series.js';
import { STEP_SCALARS, type StepScalar } from '#src/shared/live/step-scalars.js';
import { stepRecord } from '../../support/step-record.ts';

const SCALARS: readonly StepScalar[] = STEP_SCALARS;

/** The rows between the markers of docs/metrics.md. */
function documented(): string[] {
  const page = readFileSync(new URL('../../../../docs/metrics.md', import.meta.url), 'utf8');
  const [, table = ''] = /<!-- step scalars: begin -->\n(.*)<!-- step scalars: end -->/s.exec(page) ?? [];
  return table.trimEnd().split('\n').slice(2);
}

function rowOf({ key, isField, unit, when, metric, isGauge, tag, help }: StepScalar): string {
  const field = isField ? `\`${key}\`` : '';
  return `| ${field} | \`${metric}\` | ${isGauge ? 'gauge' : ''} | \`${tag}\` | ${unit} | ${when} | ${help} |`;
}

const record = stepRecord(7, {
  timings: { at: 1, total: 0.25 },
  testAccuracy: 0.875,
  testR2: 0.5,
  testLoss: 0.125,
});

describe('STEP_SCALARS', () => {
  test('are the rows of the table in docs/metrics.md, in the same order', () => {
    assert.deepEqual(documented(), SCALARS.map(rowOf));
  });

  test('have names of their own', () => {
    for (const name of ['key', 'metric', 'tag'] as const) {
      assert.equal(new Set(SCALARS.map((scalar) => scalar[name])).size, SCALARS.length, name);
    }
  });

  test('are read from a record', () => {
    const values = SCALARS.map(({ key, read }) => [key, read(record)]);
    const { loss, accuracy, learningRate, gradientNorm, testAccuracy, testR2, testLoss } = record;
    const expected = { loss, accuracy, learningRate, gradientNorm, seconds: 0.25, testAccuracy, testR2, testLoss };
    assertHas(Object.fromEntries(values), expected);
  });

  test('of validation samples are there only if the run has such', () => {
    const validated = { ...record, validationAccuracy: 0.75, validationLoss: Number.POSITIVE_INFINITY };
    assert.deepEqual(testPointOf(validated).validation, { accuracy: 0.75, loss: null });
    assert.equal('validation' in testPointOf(record), false);
    const line = stepLine({ ...record, validationR2: 0.25, validationLoss: 0.5 });
    const { validationR2, validationLoss } = parseStepLine(line) ?? {};
    assert.deepEqual([validationR2, validationLoss], [0.25, 0.5]);
    assert.doesNotMatch(stepLine(record), /validation/);
  });

  test('are what the step log, the points of the live page and its test points hold', () => {
    assert.deepEqual(parseStepLine(stepLine(record)), record);
    const { step, loss, accuracy, learningRate, gradientNorm } = record;
    assertHas(pointOf(record), { step, loss, accuracy, learningRate, gradientNorm, seconds: 0.25 });
    assertHas(testPointOf(record), { step, accuracy: 0.875, r2: 0.5, loss: 0.125 });
    assertHas(testPointOf({ ...record, testLoss: Number.NaN }), { accuracy: 0.875, loss: null });
  });
});

/** Further keys are other scalars. */
function assertHas(actual: Readonly<Record<string, unknown>>, expected: Readonly<Record<string, unknown>>): void {
  for (const [key, value] of Object.entries(expected)) assert.equal(actual[key], value, key);
}
