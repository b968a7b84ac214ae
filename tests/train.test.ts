import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { HashChain } from '#src/coordinator/hash-chain.js';
import type { StepRecord } from '#src/coordinator/observer.js';
import { type Training, train } from '#src/coordinator/train.js';
import { madeDataset } from './training/made-images.ts';
import { poolWith, Session } from './training/session.ts';

const dataset = madeDataset(256, 210);
const FLAGS = { batch: 32, shardSize: 8, workers: 2 };

interface Trained {
  readonly steps: number;
  readonly saved: readonly number[];
  readonly observed: readonly StepRecord[];
}

/** Trains with a stop signal in the hands of whoever watches. */
async function trainWith(
  flags: Readonly<Record<string, unknown>>,
  watch: (stop: AbortController) => Partial<Pick<Training['observer'], 'onStep'>> & { onEvaluate?: () => void },
): Promise<Trained> {
  const session = new Session({ flags: { ...FLAGS, ...flags }, dataset });
  const { state, optimizer, testLabels, pool } = session.engine;
  const stop = new AbortController();
  const { onStep, onEvaluate } = watch(stop);
  const saved: number[] = [];
  const observed: StepRecord[] = [];
  const executor = poolWith(session.engine, {
    evaluate: async (weights) => {
      const evaluation = await pool.evaluate(weights);
      onEvaluate?.();
      return evaluation;
    },
  });
  try {
    const { steps } = await train({
      ...{ config: session.config, state, optimizer, testLabels, executor, stop: stop.signal },
      observer: {
        onStep: (record) => {
          observed.push(record);
          onStep?.(record);
        },
        onEvaluation: () => {},
      },
      from: { step: 0 },
      chain: new HashChain(),
      checkpoint: ({ step }) => {
        saved.push(step);
      },
    });
    return { steps, saved, observed };
  } finally {
    await session.close();
  }
}

describe('the step loop', () => {
  it('tells of every step once, in order, however far it looks ahead', async () => {
    const { steps, saved, observed } = await trainWith(
      { iterations: 130, checkpointEvery: 7, evaluateEvery: 0 },
      () => ({}),
    );
    assert.equal(steps, 130);
    assert.deepEqual(
      observed.map(({ step }) => step),
      Array.from({ length: 130 }, (_, i) => i + 1),
    );
    assert.deepEqual(
      saved,
      [...Array.from({ length: 18 }, (_, i) => 7 * (i + 1)), 100, 130].sort((a, b) => a - b),
    );
  });

  it('ends after a stop with a checkpoint of its last step', async () => {
    const { steps, saved, observed } = await trainWith({ iterations: 1000 }, (stop) => ({
      onStep: ({ step }) => {
        if (step === 40) stop.abort();
      },
    }));
    assert.ok(steps >= 40 && steps <= 50, `it ended after ${steps}`);
    assert.deepEqual(saved, [steps]);
    assert.equal(observed.at(-1)?.step, steps);
  });

  it('saves where the stop comes during an evaluation that no checkpoint was due at', async () => {
    const flags = { iterations: 1000, evaluateEvery: 30, checkpointEvery: 0 };
    const { steps, saved } = await trainWith(flags, (stop) => ({ onEvaluate: () => stop.abort() }));
    assert.equal(steps, 30);
    assert.deepEqual(saved, [30]);
  });
});
