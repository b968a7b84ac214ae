import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { randomBytes, randomUUID } from 'node:crypto';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  symlinkSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { ageText, tableOf } from '#src/cli/commands/runs.js';
import { type ListedRun, listRuns } from '#src/coordinator/run/list.js';
import { manifestJson, manifestOf } from '#src/coordinator/run/manifest.js';
import { RunLock } from '#src/coordinator/run/run-lock.js';
import { stepLine } from '#src/coordinator/run/step-lines.js';
import { resolveTrainConfig } from '#src/shared/config/config.js';
import { bytesText } from '#src/shared/util/figures.js';
import { stepRecord } from '../../support/step-record.ts';

// A real path, as the commands print the folder that they run in.
const root = realpathSync(mkdtempSync(join(tmpdir(), 'lockstep-runs-')));
after(() => rmSync(root, { recursive: true }));

const main = fileURLToPath(new URL('../../../cli/main.js', import.meta.url));
const ENDED = '2026-05-04T10:00:00.000Z';

const running = manifestJson(
  await manifestOf({
    ...resolveTrainConfig({ flags: { iterations: '600' }, env: {} }),
    name: 'first',
    digests: { dataset: 'd', numerics: 'n' },
    dataset: 'mnist',
    from: 0,
    started: new Date(ENDED),
    metricsUrl: undefined,
  }),
);

/** The result of a run of so many steps. */
function resultOf(steps: number, testAccuracy?: number) {
  const rest = { workers: 1, backend: 'kernel', dataset: 'mnist', seed: 1, samplesPerSecond: 1, seconds: 1 };
  return { run: '/elsewhere', steps, testAccuracy, weightsSha256: 'w', chain: 'c', ...rest };
}

function linesOf(steps: number, evaluated: readonly number[] = []): string {
  const lineOf = (step: number): string =>
    stepLine(
      stepRecord(step, {
        loss: 2.3,
        accuracy: 0.5,
        gradientNorm: 1,
        timings: { total: 0.001 },
        ...(evaluated.includes(step) ? { testAccuracy: step / 10_000 } : {}),
      }),
    );
  return Array.from({ length: steps }, (_, i) => lineOf(i + 1)).join('');
}

interface RunFiles {
  /** Fields that run.json has besides those of a running run, or all of its text. */
  readonly manifest?: object | string;
  readonly steps?: string;
  /** Fields of the lock's owner, which by default is a process of this host that has ended. */
  readonly lock?: object;
  /** Time at which run.json was written, in seconds. */
  readonly time?: number;
}

function newFolder(): string {
  return mkdtempSync(join(root, 'runs-'));
}

function makeRun(folder: string, name: string, { manifest = {}, steps, lock, time }: RunFiles = {}): string {
  const run = join(folder, name);
  mkdirSync(join(run, 'checkpoints'), { recursive: true });
  const text = typeof manifest === 'string' ? manifest : JSON.stringify({ ...running, name, ...manifest });
  writeFileSync(join(run, 'run.json'), text);
  if (steps !== undefined) writeFileSync(join(run, 'steps.jsonl'), steps);
  if (lock !== undefined) {
    const ended = { host: hostname(), pid: spawnSync(process.execPath, ['--version']).pid, token: randomUUID() };
    writeFileSync(join(run, 'run.lock'), JSON.stringify({ ...ended, ...lock }));
  }
  if (time !== undefined) utimesSync(join(run, 'run.json'), time, time);
  return run;
}

async function listOne(files: RunFiles): Promise<ListedRun> {
  const folder = newFolder();
  makeRun(folder, 'run', files);
  const [run, ...others] = await listRuns(folder);
  assert.equal(others.length, 0);
  return run ?? assert.fail('no run was listed');
}

function lockstep(cwd: string, ...args: string[]) {
  const env = { PATH: process.env.PATH, HOME: process.env.HOME, LOCKSTEP_LOG_FORMAT: 'text' };
  const { status, stdout, stderr } = spawnSync(process.execPath, [main, ...args], { cwd, encoding: 'utf8', env });
  return { status, stdout, stderr };
}

describe('the state', () => {
  const cases: readonly (readonly [string, RunFiles, Partial<ListedRun>])[] = [
    ['of a run whose process was killed is crashed', { lock: {} }, { state: 'crashed' }],
    ['of a run whose lock is gone is crashed', {}, { state: 'crashed' }],
    ['names the host whose lock it is', { lock: { host: 'far', pid: 1 } }, { state: 'running', host: 'far' }],
    ['of a run that failed is its own', { manifest: { state: 'failed' } }, { state: 'failed' }],
    ['of a torn run.json is unreadable', { manifest: '{"name":' }, { state: 'unreadable' }],
    ['of another run.json is unreadable', { manifest: { attempts: [] } }, { state: 'unreadable' }],
  ];
  for (const [name, files, expected] of cases) {
    test(name, async () => {
      const { state, host } = await listOne(files);
      assert.deepEqual({ state, host }, { host: undefined, ...expected });
    });
  }

  test('is running while the lock is held', async () => {
    const folder = newFolder();
    const lock = await RunLock.acquire(makeRun(folder, 'run'), { force: false, print: assert.fail });
    assert.equal((await listRuns(folder))[0]?.state, 'running');
    await lock.release();
    assert.equal((await listRuns(folder))[0]?.state, 'crashed');
  });
});

describe('step and accuracy', () => {
  test('are those of the result', async () => {
    const manifest = { state: 'finished', ended: ENDED, result: resultOf(600, 0.98) };
    const { step, iterations, testAccuracy, changed } = await listOne({ manifest, steps: linesOf(3, [3]) });
    assert.deepEqual({ step, iterations, testAccuracy }, { step: 600, iterations: 600, testAccuracy: 0.98 });
    assert.equal(changed.toISOString(), ENDED);
  });

  test('are those of the last complete lines if there is no result', async () => {
    const half = linesOf(301, [301]).split('\n').at(-2) ?? '';
    const { step, testAccuracy } = await listOne({ steps: `${linesOf(300, [100, 200])}${half}` });
    assert.deepEqual({ step, testAccuracy }, { step: 300, testAccuracy: 0.02 });
  });

  test('come from before a resumed run that was stopped without an evaluation', async () => {
    const manifest = { state: 'stopped', ended: ENDED, result: resultOf(300) };
    const { step, testAccuracy } = await listOne({ manifest, steps: linesOf(300, [200]) });
    assert.deepEqual({ step, testAccuracy }, { step: 300, testAccuracy: 0.02 });
  });

  test('are found at the end of a log of 40 GB, the accuracy up to 1 MB back', async () => {
    const folder = newFolder();
    const steps = join(makeRun(folder, 'run', { steps: '' }), 'steps.jsonl');
    const append = (text: string): void => {
      truncateSync(steps, 40e9);
      writeFileSync(steps, `\n${text}`, { flag: 'a' });
    };
    append(linesOf(5000, [200]));
    assert.ok(linesOf(5000).length > 1 << 18 && linesOf(5000).length < 1 << 20);
    const near = (await listRuns(folder))[0];
    assert.deepEqual([near?.step, near?.testAccuracy], [5000, 0.02]);
    append(linesOf(12_000, [200]));
    assert.ok(linesOf(11_800).length > 1 << 20);
    const far = (await listRuns(folder))[0];
    assert.deepEqual([far?.step, far?.testAccuracy], [12_000, undefined]);
  });

  test('are those at which the attempt began while there is no line', async () => {
    const attempt = { started: ENDED, from: 200, iterations: 600, workers: 1, host: 'h', pid: 1 };
    const { step, testAccuracy } = await listOne({ manifest: { attempts: [attempt] } });
    assert.deepEqual({ step, testAccuracy }, { step: 200, testAccuracy: undefined });
  });
});

test('the duration is that of the attempts whose end is known, and of the last one', async () => {
  const at = (minute: number): string => `2026-05-04T10:${String(minute).padStart(2, '0')}:00.000Z`;
  const attempt = { from: 0, iterations: 600, workers: 1, host: 'h', pid: 1 };
  const attempts = [
    { ...attempt, started: at(0), ended: at(10), steps: 100 },
    { ...attempt, started: at(20) },
    { ...attempt, started: at(30), ended: at(35), steps: 200 },
  ];
  const { started, seconds, best } = await listOne({
    manifest: { state: 'stopped', started: at(0), ended: at(35), attempts },
  });
  assert.deepEqual([started?.toISOString(), seconds, best], [at(0), 15 * 60, undefined]);
  const validated = { ...resultOf(600, 0.9), best: { step: 300, validationAccuracy: 0.95, validationLoss: 0.1 } };
  const listed = await listOne({ manifest: { state: 'finished', ended: ENDED, result: validated } });
  assert.equal(listed.best?.validationAccuracy, 0.95);
});

describe('tags and notes', () => {
  test('are given, taken and listed', () => {
    const folder = newFolder();
    const runs = join(folder, 'runs');
    for (const name of ['first', 'second']) makeRun(runs, name);
    const json = (...args: string[]) => JSON.parse(lockstep(folder, 'runs', '--json', ...args).stdout);
    const tagsOf = (listed: ListedRun[]) => Object.fromEntries(listed.map(({ name, tags }) => [name, tags.join()]));
    assert.deepEqual(tagsOf(json('--tag', 'baseline,v1', 'first', 'runs/second')), {
      first: 'baseline,v1',
      second: 'baseline,v1',
    });
    assert.deepEqual(tagsOf(json('--tag', 'best', 'first', '--untag', 'v1', 'first')), {
      first: 'baseline,best',
      second: 'baseline,v1',
    });
    assert.deepEqual(tagsOf(json('--tagged', 'baseline, best')), { first: 'baseline,best' });
    const { status, stdout } = lockstep(folder, 'runs', '--note', 'slow at first', 'first');
    assert.match(stdout, /size {2}tags {11}note\n/);
    assert.match(stdout, /baseline,best {2}slow at first\n/);
    assert.equal(status, 0);
    assert.deepEqual(JSON.parse(readFileSync(join(runs, 'first', 'notes.json'), 'utf8')), {
      tags: ['baseline', 'best'],
      note: 'slow at first',
    });
    json('--note', '', 'first', '--untag', 'baseline,best', 'first');
    assert.equal(existsSync(join(runs, 'first', 'notes.json')), false);
    assert.match(lockstep(folder, 'runs', '--tagged', 'other').stderr, /^No runs below runs that have the tag other\./);
  });

  test('are given to a new run, and to no resumed one', () => {
    const folder = newFolder();
    const small = '--data synthetic --workers 1 --batch 8 --metrics-port off --iterations 2'.split(' ');
    const noted = ['--tag', 'baseline, v1', '--note', 'the first'];
    const { status, stderr } = lockstep(folder, 'train', ...small, '--out', 'runs/first', ...noted);
    assert.deepEqual([status, /has no effect/.test(stderr)], [0, false]);
    const run = join(folder, 'runs', 'first');
    const notes = readFileSync(join(run, 'notes.json'), 'utf8');
    assert.deepEqual(JSON.parse(notes), { tags: ['baseline', 'v1'], note: 'the first' });
    assert.doesNotMatch(readFileSync(join(run, 'run.json'), 'utf8'), /baseline|"note"|"tag"/);
    const again = lockstep(folder, 'train', '--resume', 'first', '--metrics-port', 'off', '--tag', 'other');
    assert.equal(again.status, 0);
    assert.equal(readFileSync(join(run, 'notes.json'), 'utf8'), notes);
    assert.equal(lockstep(folder, 'verify', 'first').status, 0);
    const refused = lockstep(folder, 'train', ...small, '--out', 'runs/second', '--tag', 'a b');
    assert.equal(refused.status, 2);
    assert.match(refused.stderr, /^--tag: expected a word of at most 40 .*, or several with commas, but got "a b"/);
    assert.equal(existsSync(join(folder, 'runs', 'second')), false);
  });

  test('change nothing if a run, a tag or a text is refused', () => {
    const folder = newFolder();
    const runs = join(folder, 'runs');
    const first = makeRun(runs, 'first');
    mkdirSync(join(runs, 'no-run'));
    const torn = makeRun(runs, 'torn');
    writeFileSync(join(torn, 'notes.json'), '{"tags":["a","a"]}');
    const cases: readonly (readonly [readonly string[], RegExp])[] = [
      [['--tag', 'a'], /^--tag: expected a tag and then runs, but got only "a"\. .* runs --tagged TAG`\./],
      [['--tag', 'a b', 'first'], /^--tag: expected a word of at most 40 .* but got "a b"/],
      [['--tag', 'a,', 'first'], /but got ""/],
      [['--tag', '--json', 'first'], /expected a word|argument missing/],
      [['--note', 'a\nb', 'first'], /^--note, runs\/first: expected one line of at most 1000 characters/],
      [['--tag', Array.from({ length: 33 }, (_, i) => i).join(), 'first'], /expected at most 32 tags/],
      [['--tag', 'a', 'first', 'no-run'], /^--tag: there is no run runs\/no-run\..* Nothing was changed/],
      [['--tag', 'a', 'first', 'torn'], /torn\/notes\.json can't be read: tags: expected each tag once\. Correct it/],
      [['--tag', 'a', 'first', '../elsewhere/run'], /expected a run below/],
      [['--remove', 'first', '--tag', 'a', 'first'], /^--remove: expected no other flag/],
    ];
    for (const [args, message] of cases) {
      const { status, stderr } = lockstep(folder, 'runs', ...args);
      assert.match(stderr, message);
      assert.equal(status, 2, args.join(' '));
      assert.equal(existsSync(join(first, 'notes.json')), false, args.join(' '));
    }
    const { status, stdout, stderr } = lockstep(folder, 'runs');
    assert.equal(status, 0);
    assert.match(stdout, /^torn /m);
    assert.match(stderr, /torn\/notes\.json can't be read/);
  });

  for (const [what, text] of [
    ['another field', '{"tags":[],"more":1}'],
    ['a tag that is none', '{"tags":["a\\u001b"]}'],
    ['a key twice', '{"tags":[],"tags":[]}'],
    ['a note of two lines', '{"tags":[],"note":"a\\nb"}'],
    ['too many bytes', JSON.stringify({ tags: [], note: ' '.repeat(1 << 17) })],
    ['no JSON', 'tags'],
  ] as const) {
    test(`of a file with ${what} are a problem of that run alone`, async () => {
      const folder = newFolder();
      writeFileSync(join(makeRun(folder, 'run'), 'notes.json'), text);
      const [run] = await listRuns(folder);
      assert.deepEqual([run?.state, run?.tags], ['crashed', []]);
      assert.match(run?.notesProblem ?? '', /notes\.json can't be read/);
    });
  }
});

test('runs are listed newest first, with their size on the disk, without links', async () => {
  const folder = newFolder();
  makeRun(folder, 'a-old', { time: 1000 });
  const run = makeRun(folder, 'z-new', { time: 2000 });
  mkdirSync(join(folder, 'no-run'));
  writeFileSync(join(folder, 'file'), '');
  const far = join(root, 'large');
  writeFileSync(far, randomBytes(3_000_000));
  writeFileSync(join(run, 'checkpoints', 'step-00000100.safetensors'), randomBytes(1_000_000), { flush: true });
  symlinkSync(far, join(run, 'link'));
  const listed = await listRuns(folder);
  assert.deepEqual(
    listed.map(({ name }) => name),
    ['z-new', 'a-old'],
  );
  const [{ bytes, changed }] = listed as [ListedRun];
  assert.ok(bytes >= 1_000_000 && bytes < 1_500_000, String(bytes));
  assert.equal(changed.getTime(), 2_000_000);
});

describe('the table', () => {
  const now = new Date('2026-05-04T12:00:00.000Z');
  const finished: ListedRun = {
    name: 'first',
    path: '/runs/first',
    state: 'finished',
    step: 10_000,
    iterations: 10_000,
    testAccuracy: 0.98765,
    dataset: 'mnist',
    changed: new Date(ENDED),
    bytes: 14_700_000,
    tags: [],
  };

  test('is as narrow as its cells, figures aligned to the right', () => {
    const { testAccuracy: _, ...untested } = finished;
    const others: ListedRun[] = [
      { ...untested, name: 'a-longer-name', state: 'running', host: 'far', step: 5 },
      { ...untested, name: 'numbers', testR2: 0.98765 },
      { name: 'torn', path: '/runs/torn', state: 'unreadable', changed: now, bytes: 512, tags: [] },
    ];
    assert.deepEqual(tableOf([finished, ...others], now), [
      'name           state                  step       test  age     size',
      'first          finished        10000/10000    98.77 %  2 h  14.7 MB',
      'a-longer-name  running on far      5/10000          -  2 h  14.7 MB',
      'numbers        finished        10000/10000  R² 0.9877  2 h  14.7 MB',
      'torn           unreadable                -          -  0 s    512 B',
    ]);
  });

  test('names runs on synthetic digits', () => {
    const lines = tableOf([finished, { ...finished, dataset: 'synthetic' }], now);
    assert.match(lines[0] ?? '', / size {2}data$/);
    assert.match(lines[1] ?? '', / MB {2}mnist$/);
    assert.match(lines[2] ?? '', / MB {2}SYNTHETIC digits \(not MNIST\)$/);
  });

  test('has the tags and notes if a run has any, long notes cut', () => {
    const noted = { ...finished, tags: ['best', 'v2'], note: 'n'.repeat(100) };
    assert.deepEqual(
      tableOf([noted, finished], now).map((line) => line.slice(53)),
      ['tags     note', `best,v2  ${'n'.repeat(59)}…`, ''],
    );
  });

  test('shortens ages and sizes', () => {
    const ages = [-5, 59, 60, 3599, 3600, 86_399, 86_400, 40 * 86_400];
    assert.deepEqual(
      ages.map((seconds) => ageText(new Date(0), new Date(1000 * seconds))),
      ['0 s', '59 s', '1 min', '59 min', '1 h', '23 h', '1 d', '40 d'],
    );
    assert.deepEqual([0, 999, 1000, 999_949, 999_950, 40e9, 5e15].map(bytesText), [
      '0 B',
      '999 B',
      '1.0 KB',
      '999.9 KB',
      '1.0 MB',
      '40.0 GB',
      '5000.0 TB',
    ]);
  });
});

describe('lockstep runs', () => {
  test('lists runs/ of the caller, and another folder as JSON', () => {
    const folder = newFolder();
    makeRun(join(folder, 'runs'), 'first', { steps: linesOf(12, [10]) });
    const { status, stdout, stderr } = lockstep(folder, 'runs');
    assert.deepEqual([status, stderr], [0, '']);
    assert.match(
      stdout,
      /^name +state +step +test +age +size\nfirst {2}crashed {2}12\/600 {2}0\.10 % {2}\d+ s +\S+ KB\n$/,
    );
    const [run, ...others] = JSON.parse(lockstep(root, 'runs', join(folder, 'runs'), '--json').stdout);
    assert.deepEqual(others, []);
    const { changed, bytes, started, seconds, ...rest } = run;
    assert.deepEqual([started, typeof seconds], [ENDED, 'number']);
    const path = join(folder, 'runs', 'first');
    const figures = { step: 12, iterations: 600, testAccuracy: 0.001, dataset: 'mnist' };
    assert.deepEqual(rest, { name: 'first', path, state: 'crashed', tags: [], ...figures });
    assert.deepEqual([typeof bytes, new Date(changed).toISOString()], ['number', changed]);
  });

  test('reports an empty folder, and what is no folder', () => {
    const folder = newFolder();
    assert.deepEqual(lockstep(folder, 'runs'), { status: 0, stdout: '', stderr: 'No runs below runs.\n' });
    assert.equal(lockstep(folder, 'runs', '--json').stdout, '[]\n');
    writeFileSync(join(folder, 'file'), '');
    for (const name of ['nowhere', 'file']) {
      const { status, stdout, stderr } = lockstep(folder, 'runs', name);
      assert.deepEqual([status, stdout], [2, '']);
      assert.match(stderr, new RegExp(`${name}.*expected a folder of run directories`));
    }
  });
});

describe('lockstep runs --remove', () => {
  test('deletes the given runs, by name and by path, and nothing that they link to', () => {
    const folder = newFolder();
    const runs = join(folder, 'runs');
    const first = makeRun(runs, 'first', { lock: {} });
    makeRun(runs, 'second', { manifest: 'torn' });
    makeRun(runs, 'third');
    const far = join(folder, 'far');
    mkdirSync(far);
    writeFileSync(join(far, 'kept'), 'kept');
    symlinkSync(far, join(first, 'tensorboard'));
    writeFileSync(join(first, 'steps.jsonl'), randomBytes(500_000), { flush: true });
    const { status, stdout, stderr } = lockstep(folder, 'runs', '--remove', 'first', 'runs/second', 'first');
    assert.deepEqual([status, stderr], [0, '']);
    assert.match(stdout, /^Removed first\.\nRemoved second\.\nFreed 5\d\d\.\d KB\.\n$/);
    assert.deepEqual(readdirSync(runs), ['third']);
    assert.equal(readFileSync(join(far, 'kept'), 'utf8'), 'kept');
    const [removed] = JSON.parse(lockstep(root, 'runs', runs, '--remove', 'third', '--json').stdout);
    assert.deepEqual([removed.name, removed.path, removed.bytes > 0], ['third', join(runs, 'third'), true]);
    assert.deepEqual(readdirSync(runs), []);
  });

  test('deletes runs of a sweep by the names that the list has for them', () => {
    const folder = newFolder();
    const runs = join(folder, 'runs');
    makeRun(runs, 'first');
    for (const name of ['seed-1', 'seed-2', 'seed-3']) makeRun(join(runs, 'rates'), name, { steps: '' });
    const names = (): string[] =>
      JSON.parse(lockstep(folder, 'runs', '--json').stdout).map(({ name }: ListedRun) => name);
    assert.deepEqual(names().sort(), ['first', 'rates/seed-1', 'rates/seed-2', 'rates/seed-3']);
    assert.equal(lockstep(folder, 'runs', '--tag', 'best', 'rates/seed-2', 'first').status, 0);
    const { status, stdout } = lockstep(folder, 'runs', '--remove', 'rates/seed-1', 'runs/rates/seed-3');
    assert.deepEqual([status, stdout.split('\n').slice(0, 2)], [0, ['Removed rates/seed-1.', 'Removed rates/seed-3.']]);
    assert.deepEqual(names().sort(), ['first', 'rates/seed-2']);
    const tagged = lockstep(folder, 'runs', '--tagged', 'best').stdout;
    assert.match(tagged, /^rates\/seed-2 .* best$/m);
    assert.match(lockstep(folder, 'metrics', 'rates/seed-2', '--openmetrics').stdout, /# EOF\n$/);
  });

  test('deletes nothing at all if one of them must stay', async () => {
    const folder = newFolder();
    const runs = join(folder, 'runs');
    makeRun(runs, 'good');
    const elsewhere = makeRun(join(folder, 'elsewhere'), 'run');
    const lock = await RunLock.acquire(makeRun(runs, 'live'), { force: false, print: assert.fail });
    makeRun(runs, 'foreign', { lock: { host: 'far', pid: 7 }, manifest: { state: 'finished' } });
    writeFileSync(join(makeRun(runs, 'torn-lock'), 'run.lock'), '');
    mkdirSync(join(runs, 'no-run'));
    writeFileSync(join(runs, 'file'), '');
    // The folder of runs itself looks like a run, and so does a part of one.
    makeRun(folder, 'runs');
    makeRun(join(runs, 'good'), 'checkpoints');
    symlinkSync(elsewhere, join(runs, 'link'));
    symlinkSync(join(folder, 'elsewhere'), join(runs, 'links'));
    symlinkSync(elsewhere, join(runs, 'no-run', 'link'));
    const cases: readonly (readonly [string, RegExp])[] = [
      ['missing', /^There is no run runs\/missing\./],
      ['no-run', /isn't a run directory: it has no run\.json/],
      ['file', /isn't a run directory/],
      ['link', /runs\/link is a link/],
      ['links/run', /expected a run below/],
      ['no-run/link', /runs\/no-run\/link is a link/],
      ['good/checkpoints', /expected a run below/],
      ['live', new RegExp(`held by process ${process.pid} on host .* End that process first`)],
      ['foreign', /held by process 7 on host far\. This host can't check .* remove runs\/foreign\/run\.lock/],
      ['torn-lock', /held by an unreadable lock/],
      ['../elsewhere/run', /expected a run below/],
      ['elsewhere/run', /expected a run below/],
      [elsewhere, /expected a run below/],
      ['runs/link/../../elsewhere/run', /expected a run below/],
      ['runs/good/checkpoints', /expected a run below/],
      ['.', /expected a run below/],
      ['..', /expected a run below/],
      ['runs', /There is no run runs\/runs/],
      ['', /expected a run below/],
    ];
    const before = readdirSync(folder, { recursive: true }).sort();
    for (const [name, message] of cases) {
      const { status, stdout, stderr } = lockstep(folder, 'runs', '--remove', 'good', name);
      assert.match(stderr, message);
      assert.match(stderr, /Nothing was removed\.\n$/);
      assert.doesNotMatch(stderr, /^\s+at /m);
      assert.deepEqual([status, stdout], [/held by process/.test(stderr) ? 75 : 2, ''], name);
      assert.deepEqual(readdirSync(folder, { recursive: true }).sort(), before, name);
    }
    await lock.release();
    assert.equal(lockstep(folder, 'runs', '--remove', 'good', 'live').status, 0);
    assert.deepEqual([existsSync(join(runs, 'good')), existsSync(join(runs, 'live'))], [false, false]);
  });
});
