import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { manifestJson, manifestOf } from '#src/coordinator/run/manifest.js';
import { stepLine } from '#src/coordinator/run/step-lines.js';
import type { StepRecord } from '#src/coordinator/train/observer.js';
import { resolveTrainConfig } from '#src/shared/config/config.js';
import { stepRecord } from '../../support/step-record.ts';

const root = mkdtempSync(join(tmpdir(), 'lockstep-diff-'));
after(() => rmSync(root, { recursive: true }));

const main = fileURLToPath(new URL('../../../cli/main.js', import.meta.url));
const DIGEST = 'ab'.repeat(32);
const OTHER = `${'ab'.repeat(31)}cd`;

interface RunFiles {
  readonly flags?: Readonly<Record<string, string>>;
  readonly digests?: { readonly dataset?: string; readonly numerics?: string; readonly init?: string };
  readonly dataset?: string;
  readonly versions?: Readonly<Record<string, string>>;
  /** The number of lines, or all of the text. */
  readonly steps?: number | string;
  /** Replaces fields of a step's line. */
  readonly change?: (step: number) => Partial<StepRecord>;
}

let made = 0;

/** Makes a run whose lines differ from others' in the timings only, unless options change more. @returns its name */
async function makeRun(files: RunFiles = {}): Promise<string> {
  const { flags = {}, digests, dataset = 'mnist', versions, steps = 6, change = () => ({}) } = files;
  const name = `run-${++made}`;
  const manifest = await manifestOf({
    ...resolveTrainConfig({ flags, env: {} }),
    name,
    dataset,
    digests: { dataset: DIGEST, numerics: DIGEST, ...digests },
    from: 0,
    started: new Date(0),
    metricsUrl: undefined,
  });
  const lineOf = (step: number): string =>
    stepLine(
      stepRecord(step, {
        loss: 2.3 / step,
        accuracy: 0.5,
        gradientNorm: 1,
        timings: { total: made / 1000 },
        ...change(step),
      }),
    );
  mkdirSync(join(root, name));
  writeFileSync(
    join(root, name, 'run.json'),
    JSON.stringify({ ...manifestJson(manifest), ...(versions && { versions }) }),
  );
  const text = typeof steps === 'string' ? steps : Array.from({ length: steps }, (_, i) => lineOf(i + 1)).join('');
  writeFileSync(join(root, name, 'steps.jsonl'), text);
  return name;
}

function diff(...args: string[]) {
  const env = { PATH: process.env.PATH, HOME: process.env.HOME, LOCKSTEP_LOG_FORMAT: 'text' };
  const { status, stdout, stderr } = spawnSync(process.execPath, [main, 'diff', ...args], {
    cwd: root,
    encoding: 'utf8',
    env,
  });
  return { status, stdout, stderr };
}

async function diffOf(a: RunFiles, b: RunFiles) {
  const names = [await makeRun(a), await makeRun(b)] as const;
  const { status, stdout, stderr } = diff(...names);
  const json = diff(...names, '--json');
  assert.deepEqual([stderr, json.stderr], ['', '']);
  assert.equal(json.status, status);
  return { names, status, stdout, json: JSON.parse(json.stdout) };
}

describe('runs with the same bits', () => {
  test('are the same, whatever their timings, workers and intervals', async () => {
    const evaluated = (step: number) => (step === 3 ? { testAccuracy: 0.9, testLoss: Number.NaN } : {});
    const hashed = (step: number) => (step === 4 ? { weightsSha256: DIGEST } : {});
    const { status, stdout, json } = await diffOf(
      { flags: { workers: '1', evaluateEvery: '3' }, change: (step) => ({ ...evaluated(step), ...hashed(step) }) },
      { flags: { workers: '2' }, change: evaluated },
    );
    assert.deepEqual([status, stdout], [0, 'The same bits for all 6 steps.\n']);
    assert.deepEqual(json, { same: true, steps: 6, causes: [] });
  });

  test('are distinguished by their lengths', async () => {
    const { names, status, stdout, json } = await diffOf({ steps: 9 }, { steps: 6 });
    assert.equal(status, 0);
    assert.equal(stdout, `A  ${names[0]}\nB  ${names[1]}\n\nThe same for 6 steps; then only A continues, to step 9.\n`);
    assert.deepEqual(json, { same: true, steps: 6, goesOn: { run: 'A', step: 9 }, causes: [] });
    assert.match(diff(names[1], names[0]).stdout, /^The same for 6 steps; then only B continues, to step 9\.$/m);
  });

  test('may have other options nevertheless', async () => {
    const flags = { schedule: 'constant', warmup: '2' };
    const { status, stdout, json } = await diffOf(
      { flags: { ...flags, iterations: '600' } },
      { flags: { ...flags, iterations: '900', hashEvery: '7' } },
    );
    assert.equal(status, 0);
    assert.match(
      stdout,
      /^What decides the bits differs:\n {16}A {4}B\n {2}--iterations {2}600 {2}900\n {2}--hash-every {2}100 {2}7$/m,
    );
    assert.match(stdout, /^The same bits for all 6 steps\.$/m);
    assert.deepEqual(
      json.causes.map(({ name, values }: { name: string; values: unknown }) => [name, values]),
      [
        ['--iterations', [600, 900]],
        ['--hash-every', [100, 7]],
      ],
    );
  });

  test('may have logs with holes', async () => {
    const lines = readFileSync(join(root, await makeRun(), 'steps.jsonl'), 'utf8').split('\n');
    const holed = { steps: lines.toSpliced(2, 3).join('\n') };
    for (const [name, a, b] of [
      ['A', holed, {}],
      ['B', {}, holed],
    ] as const) {
      const { status, stdout, json } = await diffOf(a, b);
      assert.deepEqual([status, json.same, json.steps], [0, true, 3]);
      const note = `The log of ${name} lacks 3 steps that the other has; they weren't compared.`;
      assert.ok(stdout.endsWith(`\nThe same bits for all 3 steps.\n${note}\n`), stdout);
    }
  });
});

describe('runs that differ', () => {
  const third = (fields: Partial<StepRecord>) => ({ change: (step: number) => (step === 3 ? fields : {}) });
  const next = 0.5000000000000001;

  test('for no reason are suspected', async () => {
    const { names, status, stdout, json } = await diffOf({}, third({ accuracy: next, gradientNorm: 2 }));
    assert.equal(status, 1);
    assert.match(stdout, /^The same for 2 steps; the first difference is at step 3:$/m);
    assert.match(stdout, /^ {2}accuracy {6}0\.5 {2}0\.5000000000000001\n {2}gradientNorm {2}1 {4}2$/m);
    assert.match(
      stdout,
      /^Nothing that decides this step differs: one of them was computed wrongly, or its log was altered\./m,
    );
    for (const name of names) assert.match(stdout, new RegExp(`\n  \\S+ \\S+main\\.js verify ${name}\n`));
    assert.deepEqual(json, {
      same: false,
      steps: 2,
      causes: [],
      first: { step: 3, fields: { accuracy: [0.5, next], gradientNorm: [1, 2] } },
    });
  });

  const fields: readonly (readonly [keyof StepRecord, unknown, unknown])[] = [
    ['loss', 1, 1.0000000000000002],
    ['accuracy', 0.5, 0.25],
    ['learningRate', 1, 2],
    ['gradientNorm', 1, 2],
    ['testAccuracy', 0.5, 0.25],
    ['testLoss', 1, 2],
    ['weightsSha256', DIGEST, OTHER],
    ['chain', DIGEST, OTHER],
  ];
  for (const [field, a, b] of fields) {
    test(`may do so in ${field} alone`, async () => {
      const { status, stdout, json } = await diffOf(third({ [field]: a }), third({ [field]: b }));
      assert.equal(status, 1);
      assert.deepEqual(json.first, { step: 3, fields: { [field]: [a, b] } });
      assert.ok(stdout.includes(`  ${field}  ${a}  ${b}\n`), stdout);
    });
  }

  test('may do so in the sign of a zero', async () => {
    const line = '{"step":1,"loss":SIGN0,"accuracy":0,"learningRate":0,"gradientNorm":0,"timings":{"total":0}}\n';
    const [a, b] = [line.replace('SIGN', ''), line.replace('SIGN', '-')];
    const { status, stdout } = await diffOf({ steps: a }, { steps: b });
    assert.equal(status, 1);
    assert.match(stdout, /^The first difference is at step 1:\n {8}A {2}B\n {2}loss {2}0 {2}-0$/m);
  });

  test('for a reason are reported with it', async () => {
    const versions = { lockstep: '0.2.0', node: 'v24.0.0' };
    const digests = { dataset: 'cd'.repeat(32), numerics: 'ef'.repeat(32), init: DIGEST };
    const { status, stdout, json } = await diffOf(
      { versions: { lockstep: '0.1.0', node: 'v20.0.0' } },
      { flags: { seed: '2', init: 'runs/x' }, dataset: 'synthetic', digests, versions, change: () => ({ loss: 9 }) },
    );
    assert.equal(status, 1);
    assert.match(stdout, /^ {2}--seed +1 +2$/m);
    assert.match(stdout, /^ {2}data set +mnist abababababab +synthetic cdcdcdcdcdcd$/m);
    const kernels = 'abababababab (Lockstep 0.1.0, Node v20.0.0)  efefefefefef (Lockstep 0.2.0, Node v24.0.0)';
    assert.ok(stdout.includes(`  numerics         ${kernels}\n`), stdout);
    assert.match(stdout, /^ {2}initial weights +drawn from the seed +abababababab$/m);
    assert.match(stdout, /^The first difference is at step 1:$/m);
    assert.doesNotMatch(stdout, /verify|--init/);
    assert.deepEqual(json.causes, [
      { what: 'option', name: '--seed', values: [1, 2] },
      {
        what: 'data',
        name: 'data set',
        values: [
          { name: 'mnist', sha256: DIGEST },
          { name: 'synthetic', sha256: digests.dataset },
        ],
      },
      {
        what: 'kernel',
        name: 'numerics',
        values: [
          { sha256: DIGEST, lockstep: '0.1.0', node: 'v20.0.0' },
          { sha256: digests.numerics, ...versions },
        ],
      },
      { what: 'init', name: 'initial weights', values: [null, DIGEST] },
    ]);
  });

  test('are suspected if what differs decides no step', async () => {
    const flags = { schedule: 'constant', warmup: '2' };
    const a = { flags: { ...flags, iterations: '600' } };
    const b = { flags: { ...flags, iterations: '900', hashEvery: '7' }, ...third({ loss: 9 }) };
    assert.match((await diffOf(a, b)).stdout, /--iterations .*main\.js verify/s);
    const cosine = { ...b, flags: { iterations: '900', warmup: '2' } };
    assert.doesNotMatch((await diffOf({ flags: { iterations: '600', warmup: '2' } }, cosine)).stdout, /verify/);
  });

  test('are compared by the chain only if both take it at the same steps', async () => {
    const links = (every: string, chain: string) => ({ flags: { hashEvery: every }, ...third({ chain }) });
    assert.equal((await diffOf(links('3', DIGEST), links('1', OTHER))).status, 0);
    assert.equal((await diffOf(links('3', DIGEST), links('3', OTHER))).status, 1);
  });
});

test('what is no run is bad usage', async () => {
  const good = await makeRun();
  const altered = await makeRun({ steps: 'no line\n' });
  const empty = await makeRun({ steps: '' });
  const without = await makeRun();
  rmSync(join(root, without, 'steps.jsonl'));
  const torn = await makeRun();
  writeFileSync(join(root, torn, 'run.json'), '{');
  mkdirSync(join(root, 'folder'));
  const cases: readonly (readonly [string, RegExp])[] = [
    ['nowhere', /There is no run directory .*nowhere/],
    [`${good}/run.json`, /is a file: expected a run directory/],
    ['folder', /folder isn't a run directory/],
    [torn, /run\.json can't be read/],
    [altered, /steps\.jsonl, line 1: expected a step's line/],
    [without, /steps\.jsonl could not be read/],
    [empty, /have no step in common, so nothing can be compared/],
  ];
  for (const [name, message] of cases) {
    for (const args of [
      [good, name],
      [name, good],
    ]) {
      const { status, stdout, stderr } = diff(...args);
      assert.match(stderr, message);
      assert.doesNotMatch(stderr, /^\s+at /m);
      assert.deepEqual([status, stdout], [2, ''], name);
    }
  }
  const alone = diff(good);
  assert.deepEqual([alone.status, alone.stdout], [2, '']);
  assert.match(alone.stderr, /missing required argument 'other'/);
});
