import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { HashChain } from '#src/coordinator/train/hash-chain.js';
import type { StepRecord } from '#src/coordinator/train/observer.js';
import { train } from '#src/coordinator/train/train.js';
import type { Training } from '#src/coordinator/train/training.js';
import { AbandonedError } from '#src/shared/engine/executor.js';
import { Sampler } from '#src/shared/engine/sampler.js';
import { WorkerError } from '#src/shared/util/errors.js';
import type { Fault } from '#src/worker/pool/faults.js';
import { madeDataset } from '../../support/made-images.ts';
import { poolWith, Session } from '../../support/session.ts';

const dataset = madeDataset(256, 210);
const FLAGS = { batch: 32, shardSize: 8, workers: 2 };

interface Trained {
  /** Undefined if it failed. */
  readonly steps: number | undefined;
  readonly error: unknown;
  readonly saved: readonly number[];
  readonly observed: readonly StepRecord[];
}

type Watch = Partial<Pick<Training['observer'], 'onStep'> & Pick<Training, 'checkpointAsked'>> & {
  onEvaluate?: () => void;
};

/** Trains with a stop signal that observers may abort. */
async function trainWith(
  { faults = [], ...flags }: Readonly<Record<string, unknown>> & { readonly faults?: readonly Fault[] },
  watch: (stop: AbortController) => Watch,
): Promise<Trained> {
  const session = new Session({ flags: { ...FLAGS, ...flags }, dataset, faults });
  const { state, optimizer, answers, pool } = session.engine;
  const stop = new AbortController();
  const { onStep, onEvaluate, checkpointAsked = () => false } = watch(stop);
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
    const training: Training = {
      config: session.config,
      state,
      optimizer,
      answers,
      executor,
      stop: stop.signal,
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
      checkpointAsked,
    };
    return await train(training).then(
      ({ steps }) => ({ steps, error: undefined, saved, observed }),
      (error: unknown) => ({ steps: undefined, error, saved, observed }),
    );
  } finally {
    await session.close();
  }
}

describe('the step loop', () => {
  it('reports every step once, in order, however far it looks ahead', async () => {
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
    assert.ok(steps !== undefined && steps >= 40 && steps <= 50, `it ended after ${steps}`);
    assert.deepEqual(saved, [steps]);
    assert.equal(observed.at(-1)?.step, steps);
  });

  it('saves if the stop comes during an evaluation at which no checkpoint was due', async () => {
    const flags = { iterations: 1000, evaluateEvery: 30, checkpointEvery: 0 };
    const { steps, saved } = await trainWith(flags, (stop) => ({ onEvaluate: () => stop.abort() }));
    assert.equal(steps, 30);
    assert.deepEqual(saved, [30]);
  });

  it('saves when it is asked, and continues', async () => {
    let asked = false;
    const { steps, saved } = await trainWith({ iterations: 60, checkpointEvery: 0 }, () => ({
      onStep: ({ step }) => {
        asked ||= step === 20;
      },
      checkpointAsked: () => {
        const was = asked;
        asked = false;
        return was;
      },
    }));
    assert.equal(steps, 60);
    assert.equal(saved.length, 2);
    assert.ok((saved[0] as number) >= 20 && (saved[0] as number) <= 22, `it saved after ${saved[0]}`);
  });

  it('ends if every worker dies of the same shard: names it, its samples and the cause, and saves the steps before', async () => {
    const faults = [0, 1].flatMap((worker) =>
      Array.from({ length: 6 }, () => ({ worker, t: 7, kind: 'throw', phase: 'compute' }) as const),
    );
    const { error, saved, observed } = await trainWith({ iterations: 60, faults }, () => ({}));
    assert.ok(error instanceof WorkerError, String(error));
    assert.equal(error.step, 8);
    assert.equal(error.samples?.length, 8);
    const sampler = new Sampler({ samples: 256, batch: 32, seed: 1, augment: 'shift' });
    const indices = new Int32Array(8);
    sampler.fill(7, 8 * (error.shard ?? 0), 8, indices, new Int8Array(16));
    assert.deepEqual(error.samples, [...indices]);
    assert.match(
      error.message,
      new RegExp(`shard ${error.shard} of step 8 .*samples ${indices.join(', ')}.*injected fault`),
    );
    assert.deepEqual(saved, [7]);
    assert.equal(observed.at(-1)?.step, 7);
  });
});

describe('a last evaluation that was abandoned', () => {
  it('leaves the run incomplete, and is done when the run is resumed, without another line of its step', async () => {
    const session = new Session({ flags: { ...FLAGS, iterations: 3 }, dataset });
    const { state, optimizer, answers, pool } = session.engine;
    const records: StepRecord[] = [];
    const training = {
      config: session.config,
      state,
      optimizer,
      answers,
      chain: new HashChain(),
      checkpoint: () => {},
      observer: { onStep: (record: StepRecord) => records.push(record), onEvaluation: () => {} },
      stop: new AbortController().signal,
    };
    const nobody = poolWith(session.engine, { evaluate: () => Promise.reject(new AbandonedError('Nobody is there.')) });
    try {
      const first = await train({ ...training, from: { step: 0 }, executor: nobody });
      assert.deepEqual([first.complete, first.steps, first.testAccuracy], [false, 3, undefined]);
      const resumed = await train({ ...training, from: { step: 3, record: records.at(-1) }, executor: pool });
      assert.deepEqual([resumed.complete, resumed.steps, resumed.testedAt], [true, 3, 3]);
      assert.ok(resumed.testAccuracy !== undefined && resumed.testAccuracy >= 0);
      assert.equal(resumed.weightsSha256, first.weightsSha256);
      assert.deepEqual(
        records.map(({ step }) => step),
        [1, 2, 3],
      );
    } finally {
      await pool.close();
    }
  });
});

describe('an observer that throws', () => {
  it('ends the run with its error, and the last step is saved', async () => {
    const failing = (): Watch => ({
      onStep: ({ step }) => {
        if (step === 4) throw new Error('of an observer');
      },
    });
    const { error, saved } = await trainWith({ iterations: 20 }, failing);
    assert.match(String(error), /of an observer/);
    assert.ok((saved.at(-1) ?? 0) >= 4, `${saved}`);
  });
});
