// Held-back samples: evaluated to the same bits by anybody, never trained on, and what --keep-best and --patience make of them.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { HashChain } from '#src/coordinator/train/hash-chain.js';
import { train } from '#src/coordinator/train/train.js';
import type { CheckpointState, StartingPoint } from '#src/coordinator/train/training.js';
import { afterEvaluation, bestBy, NOT_VALIDATED } from '#src/shared/checkpoint/validation-state.js';
import type { Dataset } from '#src/shared/data/dataset.js';
import { placesWithout, withValidation } from '#src/shared/data/validation.js';
import { Sampler } from '#src/shared/engine/sampler.js';
import type { StepRecord } from '#src/shared/live/step-scalars.js';
import { madeDataset } from '../../support/made-images.ts';
import { poolWith, runOnce, Session } from '../../support/session.ts';

// Two chunks of the test set and two of the others; the last of each isn't full.
const dataset = withValidation(madeDataset(600, 210), 0.45);
const validation = dataset.validation as Int32Array;
const { train: whole } = dataset;
const FLAGS = { batch: 32, shardSize: 8, iterations: 12, evaluateEvery: 4, checkpointEvery: 0 };
const BYTES = whole.inputs.length / whole.count;

/** Some training samples, with a change of their pixels. */
function samplesAt(places: Int32Array, pixel: (value: number) => number = (value) => value): Dataset['train'] {
  const inputs = new Uint8Array(places.length * BYTES);
  for (const [i, place] of places.entries()) {
    inputs.set((whole.inputs as Uint8Array).subarray(place * BYTES, (place + 1) * BYTES).map(pixel), i * BYTES);
  }
  return { inputs, targets: Uint16Array.from(places, (place) => whole.targets[place] as number), count: places.length };
}

describe('held-back samples', () => {
  const undisturbed = runOnce({ flags: { ...FLAGS, workers: 1 }, dataset });

  for (const workers of [2, 3]) {
    it(`are evaluated to the same bits by ${workers} workers`, async () => {
      assert.deepEqual(await runOnce({ flags: { ...FLAGS, workers }, dataset }), await undisturbed);
    });
  }

  it('have the figures of a test set that they are', async () => {
    const { weightsSha256, records } = await undisturbed;
    const trained = samplesAt(placesWithout(validation, whole.count));
    const other = { ...dataset, train: trained, test: samplesAt(validation), validation: undefined };
    const expected = await runOnce({ flags: { ...FLAGS, workers: 1 }, dataset: other });
    assert.equal(expected.weightsSha256, weightsSha256, 'the others are sampled as if they were the data set');
    const figures = records.map(({ validationLoss, validationAccuracy }) => [validationLoss, validationAccuracy]);
    assert.deepEqual(
      figures,
      expected.records.map(({ testLoss, testAccuracy }) => [testLoss, testAccuracy]),
    );
    assert.equal(figures.filter(([loss]) => loss !== undefined).length, 3);
  });

  it('are never drawn', () => {
    const places = placesWithout(validation, whole.count);
    const sampler = new Sampler({ samples: places.length, places, batch: 32, seed: 1, augment: 'none' });
    const indices = new Int32Array(2 * places.length);
    sampler.fill(0, 0, indices.length, indices, new Int8Array(2 * indices.length));
    assert.deepEqual(new Set(indices), new Set(places));
    assert.equal(
      places.some((place) => validation.includes(place)),
      false,
    );
  });
});

/** A run whose validation losses are given. */
class Scripted {
  readonly saved: CheckpointState[] = [];
  readonly records: StepRecord[] = [];
  readonly evaluated: number[] = [];
  readonly #losses: Readonly<Record<number, number>>;

  /** @param losses by step */
  constructor(losses: Readonly<Record<number, number>>) {
    this.#losses = losses;
  }

  async train(flags: Readonly<Record<string, unknown>>, from: StartingPoint = { step: 0 }) {
    const session = new Session({
      flags: { ...FLAGS, workers: 1, evaluateEvery: 2, validation: 0.45, ...flags },
      dataset,
    });
    const { state, optimizer, answers, pool } = session.engine;
    const evaluatedAt = (step: number) => {
      this.evaluated.push(step);
      const loss = this.#losses[step] ?? 9;
      return {
        ...PREDICTIONS,
        lossSum: loss,
        validation: { ...PREDICTIONS.validation, lossSum: loss * validation.length },
      };
    };
    let steps = from.step;
    const executor = poolWith(session.engine, {
      begin: (work) => {
        const step = pool.begin(work);
        return {
          finish: async () => {
            const result = await step.finish();
            steps = work.t + 1;
            return result;
          },
        };
      },
      evaluate: async () => evaluatedAt(steps),
    });
    try {
      return await train({
        ...{ config: session.config, state, optimizer, answers, executor, from, chain: new HashChain() },
        stop: new AbortController().signal,
        observer: {
          onStep: (record) => {
            this.records.push(record);
          },
          onEvaluation: () => {},
        },
        checkpoint: ({ step, chain, validation: taken, ...rest }) => {
          this.saved.push({ step, chain, validation: taken, ...rest });
        },
      });
    } finally {
      await session.close();
    }
  }
}

const PREDICTIONS = {
  predictions: new Uint16Array(dataset.test.count),
  validation: { predictions: new Uint16Array(validation.length) },
};

describe('early stopping', () => {
  /** The line of a step that an earlier attempt did. */
  const CUT = { loss: 1, learningRate: 0, gradientNorm: 0, timings: { total: 0 } };
  const losses = { 2: 5, 4: 3, 6: 4, 8: 3, 10: 2, 12: 1 };

  it('ends a run after so many evaluations without a lower loss', async () => {
    const run = new Scripted(losses);
    const { steps, stoppedEarly, best, testedAt } = await run.train({ patience: 2 });
    assert.deepEqual([steps, stoppedEarly, best?.step, testedAt], [8, true, 4, 8]);
    assert.deepEqual(
      run.saved.map(({ step }) => step),
      [8],
    );
  });

  it("doesn't end a run whose losses fall in time, nor one without patience", async () => {
    for (const patience of [0, 3]) {
      const { steps, stoppedEarly, best } = await new Scripted(losses).train({ patience });
      assert.deepEqual([steps, stoppedEarly, best?.step], [12, false, 12]);
    }
  });

  it('ends a resumed run after the same step, however it was cut', async () => {
    const first = new Scripted(losses);
    await first.train({ patience: 2, checkpointEvery: 1 });
    for (const cut of [4, 5, 7]) {
      const record = first.records[cut - 1];
      const { validation } = first.saved[cut - 1] as CheckpointState;
      const second = new Scripted(losses);
      const { steps, best } = await second.train({ patience: 2 }, { step: cut, record, validation });
      assert.deepEqual([cut, steps, best?.step], [cut, 8, 4]);
    }
  });

  it('ends a run at once that was killed after its last step', async () => {
    const record = { ...CUT, step: 8, validationLoss: 3 };
    const validation = { best: { step: 4, validationLoss: 3 }, since: 2 };
    const again = new Scripted(losses);
    const { steps, stoppedEarly } = await again.train({ patience: 2 }, { step: 8, record, validation });
    assert.deepEqual([steps, stoppedEarly, again.evaluated], [8, true, []]);
  });

  it('evaluates first what the attempt before abandoned', async () => {
    const run = new Scripted(losses);
    const record = { ...CUT, step: 6 };
    const validation = { best: { step: 4, validationLoss: 3 }, since: 0 };
    const { steps } = await run.train({ patience: 2 }, { step: 6, record, validation });
    assert.deepEqual([steps, run.evaluated], [8, [6, 8]]);
  });
});

describe('the best evaluation', () => {
  it('has a checkpoint whenever it is better than all before, and others have none', async () => {
    const run = new Scripted({ 2: 5, 4: 3, 6: 3, 8: Number.NaN, 10: 2, 12: 4 });
    const { best } = await run.train({ keepBest: true });
    assert.equal(best?.step, 10);
    assert.deepEqual(
      run.saved.map(({ step, validation }) => [step, validation?.best?.step, validation?.since]),
      [
        [2, 2, 0],
        [4, 4, 0],
        [10, 10, 0],
        [12, 10, 1],
      ],
    );
  });

  it('is the first with the highest accuracy, or R², if the run goes by that', () => {
    const scores = [
      [2, 5, 0.5],
      [4, 3, 0.7],
      [6, 4, 0.8],
      [8, 2, 0.8],
    ] as const;
    for (const key of ['validationAccuracy', 'validationR2'] as const) {
      const state = scores.reduce(
        (before, [step, validationLoss, score]) => afterEvaluation(before, { step, validationLoss, [key]: score }),
        NOT_VALIDATED,
      );
      const steps = [true, 'validation-loss', 'validation-accuracy', 'validation-r2'] as const;
      assert.deepEqual(
        steps.map((keepBest) => bestBy(keepBest, state)?.step),
        [8, 8, 6, 6],
      );
    }
  });

  it('is none as long as no loss is finite', () => {
    const lost = { step: 4, validationLoss: Number.NaN };
    assert.deepEqual(afterEvaluation(NOT_VALIDATED, lost), { since: 1 });
    const state = afterEvaluation({ since: 1 }, { step: 6, testLoss: 1, validationAccuracy: 0.5, validationLoss: 2 });
    const evaluation = { step: 6, validationAccuracy: 0.5, validationLoss: 2 };
    assert.deepEqual(state, { best: evaluation, highest: evaluation, since: 0 });
    assert.equal(afterEvaluation(state, { step: 8, testLoss: 1 }), state);
  });
});
