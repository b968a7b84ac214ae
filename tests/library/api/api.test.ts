// The library as its users import it, at work.
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { before, describe, it } from 'node:test';
import {
  type EndedRun,
  evaluate,
  LockstepError,
  listRuns,
  openRun,
  predict,
  resume,
  type StepRecord,
  startCoordinator,
  startNode,
  train,
  UsageError,
  verify,
} from '#src/library/index.js';
import { perceptron, quadrants, shortRun, temporaryFolder } from './made.ts';

const SEVEN = new URL('../../../../examples/seven.png', import.meta.url);

describe('the library', () => {
  const folder = temporaryFolder();
  let run: EndedRun;
  const steps: StepRecord[] = [];
  const happened: string[] = [];

  before(async () => {
    run = await train(await shortRun(join(folder, 'first')), {
      onStart: ({ dataset }) => happened.push(`start on ${dataset}`),
      onStep: (step) => steps.push(step),
      onEvaluation: ({ step }) => happened.push(`evaluation ${step}`),
      onCheckpoint: ({ step }) => happened.push(`checkpoint ${step}`),
    });
  });

  it('tells of steps, evaluations and checkpoints, and returns the run', () => {
    assert.deepEqual(
      steps.map(({ step }) => step),
      Array.from({ length: 200 }, (_, i) => i + 1),
    );
    assert.deepEqual(happened.slice(0, 2), ['start on quadrants', 'evaluation 100']);
    assert.deepEqual(
      [...new Set(happened.filter((text) => text.startsWith('checkpoint')))],
      ['checkpoint 100', 'checkpoint 200'],
    );
    assert.equal(run.state, 'finished');
    assert.ok((run.result.testAccuracy ?? 0) > 0.9);
    assert.match(run.weightsSha256, /^[0-9a-f]{64}$/);
  });

  it('gives the same bits with other workers, and as a coordinator of nodes', async () => {
    const two = await train({ ...(await shortRun(join(folder, 'two'))), workers: 2 });
    const joined: string[] = [];
    const coordinator = await startCoordinator(
      { ...(await shortRun(join(folder, 'nodes'))), workers: 0 },
      { onNode: ({ kind, node }) => joined.push(`${kind} ${node}`) },
    );
    const node = await startNode({ url: coordinator.url, threads: 1, name: 'helper' });
    const ended = await coordinator.ended;
    assert.deepEqual([two.weightsSha256, ended.weightsSha256], [run.weightsSha256, run.weightsSha256]);
    assert.equal(await node.ended, 'finished');
    assert.equal(joined[0], 'joined helper');
    assert.equal((await run.compare(ended)).first, undefined);
  });

  it('runs several at once in one process', async () => {
    const runs = await Promise.all(
      ['a', 'b', 'c'].map(async (name) => train({ ...(await shortRun(join(folder, name))) })),
    );
    assert.deepEqual(new Set(runs.map(({ weightsSha256 }) => weightsSha256)), new Set([run.weightsSha256]));
  });

  it('stops at a signal, and resumes to the same bits', async () => {
    const stopping = new AbortController();
    const options = await shortRun(join(folder, 'stopped'));
    const stopped = await train(options, {
      signal: stopping.signal,
      onStep: ({ step }) => {
        if (step === 150) stopping.abort();
      },
    });
    assert.equal(stopped.state, 'stopped');
    assert.ok(stopped.result.steps < 200);
    const { data } = options;
    const resumed = await resume(stopped, data === undefined ? {} : { data, workers: 2 });
    assert.deepEqual([resumed.state, resumed.weightsSha256], ['finished', run.weightsSha256]);
  });

  it('fails with an error that has a class and a code', async () => {
    const refused = async (promise: Promise<unknown>, message: RegExp, option?: string): Promise<void> => {
      const error = await promise.then(
        () => assert.fail('it did not fail'),
        (failure: unknown) => failure,
      );
      assert.ok(error instanceof UsageError && error instanceof LockstepError);
      assert.deepEqual([error.code, error.option], ['ERR_USAGE', option]);
      assert.match(error.message, message);
    };
    const out = join(folder, 'refused');
    await refused(
      train({ iterations: -1, out }),
      /^"iterations" in the options: expected a whole number/,
      'iterations',
    );
    await refused(train({ batch: 20, shardSize: 8, out }), /^"batch" in the options: .*multiple/, 'batch');
    await refused(train({ iterationz: 1, out } as never), /Perhaps "iterations" was meant/);
    await refused(resume(run, { batch: 64 }), /bits would change/);
    await assert.rejects(
      shortRun(run.path).then((options) => train(options)),
      { code: 'ERR_RUN_DIRECTORY' },
    );
  });

  it('reads no environment variables unless it is given them', async () => {
    process.env.LOCKSTEP_ITERATIONS = '7';
    try {
      const { iterations: _, ...options } = await shortRun(join(folder, 'plain'));
      const plain = await train({ ...options, iterations: 3 });
      assert.equal(plain.result.steps, 3);
      const given = await train(
        { ...options, out: join(folder, 'given') },
        { environment: { LOCKSTEP_ITERATIONS: '5' } },
      );
      assert.equal(given.result.steps, 5);
    } finally {
      delete process.env.LOCKSTEP_ITERATIONS;
    }
  });

  it('opens runs again, with their steps, notes and checkpoints', async () => {
    const opened = await openRun(run.path);
    const logged: number[] = [];
    for await (const { step } of opened.steps()) logged.push(step);
    assert.equal(logged.length, 200);
    await opened.setNotes({ tags: ['kept'], note: 'the first one' });
    assert.deepEqual(await opened.notes(), { tags: ['kept'], note: 'the first one' });
    await assert.rejects(opened.setNotes({ tags: ['a b'.repeat(99)] }), UsageError);
    assert.deepEqual(
      (await opened.checkpoints()).map(({ step }) => step),
      [200, 100],
    );
    const listed = await listRuns(folder);
    assert.ok(listed.some(({ name, state }) => name === 'first' && state === 'finished'));
    await assert.rejects(listRuns(join(folder, 'nowhere')), UsageError);
    assert.equal((await verify(run.path, { spans: 'all' })).same, true);
    assert.equal((await run.reproduce({ steps: 50 })).same, true);
    assert.equal((await run.receipt()).result.weightsSha256, run.weightsSha256);
  });

  it('predicts, evaluates and exports by a network', async () => {
    const network = await run.network();
    const { testAccuracy } = await network.evaluate({ data: await quadrants() });
    assert.equal(testAccuracy, run.result.testAccuracy);
    assert.equal((await evaluate(run.path)).testAccuracy, testAccuracy);
    const { class: found, className, probability = 0 } = network.predictSample(Float32Array.of(0.6, 0.6));
    assert.deepEqual([found, className], [1, 'equal']);
    assert.ok(probability > 0.9);
    assert.throws(() => network.predictSample(Float32Array.of(1)), UsageError);
    assert.throws(() => network.predictRow({ x: 1 }), UsageError);
    assert.equal(network.weightsSha256, run.weightsSha256);
    assert.deepEqual([network.step, network.model], [200, perceptron()]);
    assert.equal((await run.network({ step: 100 })).step, 100);
    await assert.rejects(run.network({ step: 'best' }), UsageError);
    const { files } = await network.export('onnx', join(folder, 'perceptron.onnx'));
    assert.ok((await readFile(files[0]?.file ?? '')).length > 500);
  });

  it('predicts pictures by their files and by their bytes', async () => {
    const digits = await train({
      data: 'synthetic',
      iterations: 30,
      workers: 2,
      evaluateEvery: 0,
      out: join(folder, 'digits'),
    });
    const [byFile] = await predict(digits.path, [SEVEN.pathname]);
    const network = await digits.network();
    const [byBytes] = await network.predict([await readFile(SEVEN)]);
    assert.deepEqual(byFile, byBytes);
    assert.equal(byFile?.probabilities?.length, 10);
    await assert.rejects(network.predict([Buffer.from('no picture')]), /^UsageError: picture 0: /);
    const each = network.predictions([Buffer.from('no picture'), SEVEN.pathname]);
    const found = [];
    for await (const one of each) found.push('problem' in one);
    assert.deepEqual(found, [true, false]);
  });
});
