import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Prometheus } from './prometheus-server.ts';

/** Each series of single steps, and where a line of steps.jsonl has its value. */
const VALUES: Readonly<Record<string, (line: Line) => number | undefined>> = {
  lockstep_step: ({ step }) => step,
  lockstep_train_loss: ({ loss }) => loss,
  lockstep_train_accuracy_ratio: ({ accuracy }) => accuracy,
  lockstep_learning_rate: ({ learningRate }) => learningRate,
  lockstep_gradient_norm: ({ gradientNorm }) => gradientNorm,
  lockstep_last_step_duration_seconds: ({ timings }) => timings.total,
  lockstep_test_accuracy_ratio: ({ testAccuracy }) => testAccuracy,
  lockstep_test_r2: ({ testR2 }) => testR2,
  lockstep_test_loss: ({ testLoss }) => testLoss,
};

export interface Line {
  readonly step: number;
  readonly loss: number;
  readonly accuracy: number;
  readonly learningRate: number;
  readonly gradientNorm: number;
  readonly timings: { readonly at: number; readonly total: number };
  readonly testAccuracy?: number;
  readonly testR2?: number;
  readonly testLoss?: number;
}

export function linesOf(run: string): Line[] {
  const text = readFileSync(join(run, 'steps.jsonl'), 'utf8').trimEnd();
  return text.split('\n').map((line) => JSON.parse(line));
}

/** All samples of a series up to a time, Unix milliseconds: those and the values. */
export async function samplesIn(
  server: Prometheus,
  selector: string,
  until: number,
): Promise<(readonly [number, number])[]> {
  const found = await server.query(`${selector}[1h]`, until / 1000);
  assert.ok(found.length <= 1, `${selector} has ${found.length} series`);
  return (found[0]?.values ?? []).map(([at, value]) => [Math.round(1000 * at), Number(value)]);
}

/** Asserts that Prometheus has exactly the samples of these lines as a run's attempt. */
export async function assertHasSteps(
  server: Prometheus,
  { run, attempt, lines }: { readonly run: string; readonly attempt: number; readonly lines: readonly Line[] },
): Promise<void> {
  const until = lines.at(-1)?.timings.at ?? 0;
  const labels = `{run="${run}",attempt="${attempt}"}`;
  const [count] = await server.query(`count_over_time(lockstep_train_loss${labels}[1h])`, until / 1000);
  assert.equal(Number(count?.value?.[1]), lines.length);
  for (const [name, take] of Object.entries(VALUES)) {
    const expected = lines.flatMap((line) => {
      const value = take(line);
      return value === undefined ? [] : [[line.timings.at, value] as const];
    });
    assert.deepEqual(await samplesIn(server, `${name}${labels}`, until), expected, name);
  }
}
