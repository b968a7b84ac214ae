import assert from 'node:assert/strict';
import { appendFileSync, mkdirSync, mkdtempSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, type TestContext, test } from 'node:test';
import { NodeViews } from '#src/coordinator/observe/nodes/node-views.js';
import { startHttp } from '#src/coordinator/observe/web/http.js';
import { LogFollower } from '#src/coordinator/observe/web/log-follower.js';
import { RunsFeed } from '#src/coordinator/observe/web/runs-feed.js';
import { SavedRuns } from '#src/coordinator/observe/web/saved-run.js';
import { partFile } from '#src/coordinator/run/files.js';
import { manifestJson, manifestOf } from '#src/coordinator/run/manifest.js';
import { RunLock } from '#src/coordinator/run/run-lock.js';
import { stepLine } from '#src/coordinator/run/step-lines.js';
import { resolveTrainConfig } from '#src/shared/config/config.js';
import type { ListedRunView, ListedView } from '#src/shared/live/feed.js';
import { unpackSeries } from '#src/shared/live/packed-series.js';
import { StepSeries } from '#src/shared/live/series.js';
import { newToken, Token } from '#src/shared/util/token.js';
import { stepRecord } from '../../../support/step-record.ts';

const root = mkdtempSync(join(tmpdir(), 'lockstep-runs-feed-'));
after(() => rmSync(root, { recursive: true }));

const running = manifestJson(
  await manifestOf({
    ...resolveTrainConfig({ flags: { iterations: '600' }, env: {} }),
    name: 'first',
    digests: { dataset: 'd', numerics: 'n' },
    dataset: 'mnist',
    from: 0,
    started: new Date(),
    metricsUrl: undefined,
  }),
);

const linesOf = (from: number, to: number): string =>
  Array.from({ length: to - from + 1 }, (_, i) => stepLine(stepRecord(from + i))).join('');

function makeRun(folder: string, name: string, manifest: object = {}): string {
  const run = join(folder, name);
  mkdirSync(join(run, 'checkpoints'), { recursive: true });
  writeFileSync(join(run, 'run.json'), JSON.stringify({ ...running, name, state: 'finished', ...manifest }));
  writeFileSync(join(run, 'steps.jsonl'), linesOf(1, 3));
  return run;
}

const newFolder = (): string => mkdtempSync(join(root, 'runs-'));

async function listed(feed: RunsFeed): Promise<readonly ListedView[]> {
  const message = await feed.snapshot();
  return message.type === 'list' ? message.runs : assert.fail(message.type);
}

const lastStep = (view: Awaited<ReturnType<SavedRuns['read']>>): number | undefined =>
  StepSeries.from(unpackSeries(view.series)).span?.last;

describe('the list', () => {
  test('has all runs of a folder as they come and go, with their notes', async () => {
    const folder = newFolder();
    const feed = new RunsFeed([folder], { isChosen: false });
    assert.deepEqual(await listed(feed), []);
    const first = makeRun(folder, 'first');
    makeRun(folder, 'second');
    writeFileSync(join(first, 'notes.json'), '{"tags":["baseline"],"note":"the first"}');
    const names = (runs: readonly ListedView[]) => runs.map(({ name }) => name).sort();
    const before = await listed(feed);
    assert.deepEqual(names(before), ['first', 'second']);
    const run = before.find(({ name }) => name === 'first');
    assert.deepEqual([run?.tags, run?.note, run?.step], [['baseline'], 'the first', 3]);
    assert.equal('path' in (run ?? {}), false);
    rmSync(first, { recursive: true });
    assert.deepEqual(names(await listed(feed)), ['second']);
  });

  test('has the runs of a sweep in the folder, with its name before theirs', async () => {
    const folder = newFolder();
    const feed = new RunsFeed([folder], { isChosen: false });
    makeRun(folder, 'seed-1');
    makeRun(join(folder, 'rates'), 'seed-1');
    writeFileSync(join(folder, 'rates', 'seed-1.log'), '');
    const names = (await listed(feed)).map(({ name }) => name).sort();
    assert.deepEqual(names, ['rates/seed-1', 'seed-1']);
    assert.equal((await feed.run('rates/seed-1'))?.name, 'rates/seed-1');
  });

  test('is sent to all pages once it has changed', async (t) => {
    const folder = newFolder();
    const feed = new RunsFeed([folder], { isChosen: false });
    const server = await startHttp({ port: 0, explicit: true, feed });
    t.after(() => server.close());
    const stream = async () => {
      const { body } = await fetch(`${server.url}/feed`);
      const reader = body?.pipeThrough(new TextDecoderStream()).getReader() ?? assert.fail();
      return async (wanted: RegExp): Promise<void> => {
        for (let text = ''; !wanted.test(text); ) text += (await reader.read()).value ?? assert.fail();
      };
    };
    const first = await stream();
    await first(/"runs":\[\]/);
    makeRun(folder, 'new');
    // The first page has it from the answer to the second, or from the look after it.
    await (await stream())(/"name":"new"/);
    await first(/"name":"new"/);
    makeRun(folder, 'newer');
    await first(/"name":"newer"/);
  });

  test('reads an entry again once one of its files has changed', async () => {
    const folder = newFolder();
    const run = makeRun(folder, 'run', { state: 'stopped' });
    const feed = new RunsFeed([folder], { isChosen: false });
    assert.deepEqual((await listed(feed))[0]?.tags, []);
    writeFileSync(join(run, 'notes.json'), '{"tags":["new"]}');
    assert.deepEqual((await listed(feed))[0]?.tags, ['new']);
  });

  test('names two runs of one name by their paths', async () => {
    const [one, other] = [newFolder(), newFolder()];
    const paths = [makeRun(one, 'run'), makeRun(other, 'run'), makeRun(other, 'single')];
    const feed = new RunsFeed(paths, { isChosen: true });
    const names = (await listed(feed)).map(({ name }) => name);
    assert.deepEqual(names, [paths[0], paths[1], 'single']);
    assert.equal(lastStep((await feed.run(paths[1] as string)) ?? assert.fail()), 3);
  });
});

describe('/run', () => {
  async function served(t: TestContext, token?: Token) {
    const folder = newFolder();
    makeRun(folder, 'first');
    makeRun(newFolder(), 'elsewhere');
    const feed = new RunsFeed([folder], { isChosen: false });
    const server = await startHttp({ port: 0, explicit: true, feed, token });
    t.after(() => server.close());
    return { folder, url: server.url };
  }

  test('answers the runs of the list alone', async (t) => {
    const { folder, url } = await served(t);
    const answer = await fetch(`${url}/run?name=first`);
    assert.deepEqual([answer.status, answer.headers.get('cache-control')], [200, 'no-store']);
    const view = (await answer.json()) as ListedRunView;
    assert.deepEqual([view.name, view.state, lastStep(view), view.config.batch], ['first', 'finished', 3, 128]);
    mkdirSync(join(folder, 'no-run'));
    for (const name of [
      '',
      '.',
      '..',
      'no-run',
      '../first',
      `${folder}/first`,
      'first/',
      'first%00',
      'FIRST',
      '__proto__',
    ]) {
      const refused = await fetch(`${url}/run?${new URLSearchParams({ name })}`);
      assert.equal(refused.status, 404, name);
      assert.match(await refused.text(), /^The list has no run of this name\.$/m);
    }
    for (const query of ['', '?other=1', '?name=first&name=first']) {
      assert.equal((await fetch(`${url}/run${query}`)).status, 400, query);
    }
    assert.equal((await fetch(`${url}/run?name=first`, { method: 'POST' })).status, 405);
  });

  test('has the nodes of the last attempt, and does without a file of them that cannot be read', async (t) => {
    const { folder, url } = await served(t);
    const file = join(folder, 'first', 'nodes.json');
    const nodesNow = async () => ((await (await fetch(`${url}/run?name=first`)).json()) as ListedRunView).nodes;
    assert.equal(await nodesNow(), undefined);
    const local = {
      name: 'local',
      state: 'ready',
      ready: 2,
      starting: 0,
      speed: 1e4,
      processors: 1.9,
      memoryBytes: 9e7,
    };
    const node = { ...local, done: 100, late: 1, lost: 0 };
    writeFileSync(file, JSON.stringify({ nodes: [node] }));
    assert.deepEqual(await nodesNow(), [node]);
    const { speed: _, ...without } = node;
    const strange = [
      { ...node, state: 'else' },
      { ...node, name: 'n'.repeat(257) },
      { ...node, processors: -1 },
      without,
    ];
    for (const text of [
      '',
      '{',
      '[]',
      ' '.repeat(2 << 20),
      ...strange.map((one) => JSON.stringify({ nodes: [one] })),
    ]) {
      writeFileSync(file, text);
      assert.equal(await nodesNow(), undefined, text.slice(0, 300));
    }
    rmSync(file);
    symlinkSync('/dev/zero', file);
    assert.equal(await nodesNow(), undefined);
  });

  test('says what is wrong with a log, and reads no pipe or folder in its place', async (t) => {
    const { folder, url } = await served(t);
    writeFileSync(join(folder, 'first', 'steps.jsonl'), 'no step\n');
    const answer = await fetch(`${url}/run?name=first`);
    assert.equal(answer.status, 500);
    assert.match(await answer.text(), /steps\.jsonl, line 1: expected a step's line/);
    rmSync(join(folder, 'first', 'steps.jsonl'));
    symlinkSync('/', join(folder, 'first', 'steps.jsonl'));
    assert.equal((await fetch(`${url}/run?name=first`)).status, 500);
  });

  test('needs the token if there is one', async (t) => {
    const text = newToken();
    const { url } = await served(t, new Token(text));
    assert.equal((await fetch(`${url}/run?name=first`)).status, 401);
    const headers = { authorization: `Bearer ${text}` };
    assert.equal((await fetch(`${url}/run?name=first`, { headers })).status, 200);
  });

  test('is not there on the page of a run that trains', async (t) => {
    const { LiveFeed } = await import('#src/coordinator/observe/web/live-feed.js');
    const heading = { name: 'live', started: 0, iterations: 1, batch: 8, config: {}, digests: {} };
    const server = await startHttp({ port: 0, explicit: true, feed: new LiveFeed(heading, new NodeViews(8)) });
    t.after(() => server.close());
    assert.equal((await fetch(`${server.url}/run?name=live`)).status, 404);
  });
});

describe('a log that grows', () => {
  function logFile(text: string): string {
    const file = join(newFolder(), 'steps.jsonl');
    writeFileSync(file, text);
    return file;
  }

  test('is read on from the end of its last complete line', async () => {
    const file = logFile(linesOf(1, 3));
    const log = new LogFollower(file);
    assert.equal((await log.read())?.lastStep, 3);
    const next = linesOf(4, 5);
    appendFileSync(file, next.slice(0, -10));
    assert.equal((await log.read())?.lastStep, 4);
    appendFileSync(file, next.slice(-10));
    assert.equal((await log.read())?.lastStep, 5);
    assert.equal((await log.read())?.view.series.buckets.length, 5);
  });

  test('is of no use any more if it was cut, repeats a step or has another line', async () => {
    for (const text of [linesOf(1, 1), linesOf(1, 3) + linesOf(3, 3), `${linesOf(1, 3)}no step\n`]) {
      const file = logFile(linesOf(1, 3));
      const log = new LogFollower(file);
      await log.read();
      writeFileSync(file, text);
      assert.equal(await log.read(), undefined);
    }
  });

  test('begins with its old parts, and is read anew by another one after it was rotated', async () => {
    const file = logFile(linesOf(4, 5));
    writeFileSync(partFile(file, 1), linesOf(1, 3));
    const log = new LogFollower(file);
    assert.equal((await log.read())?.view.series.buckets.length, 5);
    appendFileSync(file, linesOf(6, 6));
    assert.equal((await log.read())?.view.series.buckets.length, 6);
    renameSync(file, partFile(file, 2));
    assert.equal(await log.read(), undefined);
    writeFileSync(file, linesOf(7, 7));
    assert.equal(await log.read(), undefined);
    assert.equal((await new LogFollower(file).read())?.view.series.buckets.length, 7);
  });

  test('is that of a running run, whose view grows with it, also after it was resumed', async () => {
    const run = makeRun(newFolder(), 'run', { state: 'running' });
    const lock = await RunLock.acquire(run, { force: false, print: assert.fail });
    const runs = new SavedRuns();
    const [first, same] = [runs.read(run, 'run'), runs.read(run, 'run')];
    assert.equal(first, same);
    assert.deepEqual([(await first).state, lastStep(await first)], ['running', 3]);
    appendFileSync(join(run, 'steps.jsonl'), linesOf(4, 9));
    assert.equal(lastStep(await runs.read(run, 'run')), 9);
    writeFileSync(join(run, 'steps.jsonl'), linesOf(1, 2));
    const attempts = [...running.attempts, { ...running.attempts[0], from: 2 }];
    writeFileSync(join(run, 'run.json'), JSON.stringify({ ...running, attempts }));
    assert.equal(lastStep(await runs.read(run, 'run')), 2);
    await lock.release();
  });
});
