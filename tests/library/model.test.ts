// Which model a run has: by --model, --head and the data set, and again when it is resumed.
import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { resolveJob } from '#src/library/inputs.js';
import { train } from '#src/library/train.js';
import type { ModelSpec } from '#src/shared/model/spec.js';
import { UsageError } from '#src/shared/util/errors.js';
import { madeFile } from '../support/made-images.ts';
import { lockstep, manifestOf } from '../support/program.ts';

const folder = mkdtempSync(join(tmpdir(), 'lockstep-model-'));
after(() => rmSync(folder, { recursive: true }));
const env = { PATH: process.env.PATH, HOME: process.env.HOME, XDG_CACHE_HOME: join(folder, 'cache') };
const LAYERS = [{ kind: 'dense', units: 4 }, { kind: 'relu' }, { kind: 'dense' }];

function written(name: string, text: string): string {
  const path = join(folder, name);
  writeFileSync(path, text);
  return path;
}

function table(name: string, target: (i: number) => number): string {
  return written(name, `x,t\n${Array.from({ length: 60 }, (_, i) => `${i / 60},${target(i)}`).join('\n')}\n`);
}

const FRACTIONS = table('fractions.csv', (i) => i / 4 + 0.1);
const AMOUNTS = table('amounts.csv', (i) => 10 * i);
const OPEN = written('open.json', JSON.stringify({ name: 'open', layers: LAYERS }));
const NUMBERS = written('numbers.json', JSON.stringify({ name: 'numbers', layers: LAYERS, head: 'mse' }));

let runs = 0;

async function headOf(options: Readonly<Record<string, unknown>>): Promise<string> {
  const out = join(folder, `run-${runs++}`);
  const fixed = { out, iterations: 2, batch: 8, workers: 1, metricsPort: 'off', target: 't' };
  await train(await resolveJob({ flags: { ...fixed, ...options }, env }));
  return (manifestOf(out).config as unknown as { model: ModelSpec }).model.head.kind;
}

describe('the head of a spec that names none', () => {
  it("is that of the data set's targets", async () => {
    assert.equal(await headOf({ data: FRACTIONS, model: OPEN }), 'mse');
  });

  it('is the one that is given', async () => {
    assert.equal(await headOf({ data: AMOUNTS, model: OPEN, head: 'mse' }), 'mse');
    assert.equal(await headOf({ data: AMOUNTS, head: 'mse' }), 'mse');
  });
});

it("a head beside a spec's own is refused, and rbf beside any spec", async () => {
  const isRefused = (pattern: RegExp) => (error: unknown) => error instanceof UsageError && pattern.test(error.message);
  for (const [model, head, pattern] of [
    [
      NUMBERS,
      'softmax',
      /^--head: expected the head of .*numbers\.json, mse, but got softmax\. Leave the option out\.$/,
    ],
    [OPEN, 'rbf', /^--head: expected the head of .*open\.json, softmax or mse, but got rbf\./],
  ] as const) {
    await assert.rejects(headOf({ data: AMOUNTS, model, head }), isRefused(pattern));
  }
  assert.equal(await headOf({ data: AMOUNTS, model: NUMBERS, head: 'mse' }), 'mse');
});

it('a run that was stopped continues by the command that began it', async () => {
  const fixed = { data: madeFile(folder, 64, 16), batch: 8, workers: 1, metricsPort: 'off', iterations: 200 };
  for (const model of ['mlp', OPEN]) {
    const out = join(folder, `stopped-${runs++}`);
    const stop = new AbortController();
    const onStep = ({ step }: { readonly step: number }): void => {
      if (step === 2) stop.abort();
    };
    const job = (options: object) => resolveJob({ flags: { ...fixed, model, out, ...options }, env });
    const { result } = await train(await job({}), { observers: [{ onStep }], stop: stop.signal });
    assert.ok(result.steps < 200, `${result.steps}`);
    const { state } = await train(await job({ resume: 'auto' }));
    assert.equal(state, 'finished', model);
  }
});

it('lockstep data reads amounts by --head, and writes into a new folder', () => {
  const packed = join(folder, 'new', 'amounts.safetensors');
  const { status, stderr, stdout } = lockstep(['data', AMOUNTS, '--target', 't', '--head', 'mse', '--pack', packed]);
  assert.equal(status, 0, stderr);
  assert.match(stdout, /^samples +\d+ for training/m);
  assert.ok(existsSync(packed));
  const refused = lockstep(['data', AMOUNTS, '--target', 't', '--pack', join(packed, 'below', 'x.safetensors')]);
  assert.equal(refused.status, 2);
  assert.match(refused.stderr, /^--pack: .*can't be (made|used): .*Name another place\.$/m);
});
