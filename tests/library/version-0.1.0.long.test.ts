// A run of version 0.1.0, which was killed after step 10 of 20: the numerics are the same since then, under another digest.
import assert from 'node:assert/strict';
import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { readManifest } from '#src/coordinator/run/manifest.js';
import { findModel } from '#src/coordinator/run/saved-model.js';
import { evaluate } from '#src/library/evaluate.js';
import { resolveJob } from '#src/library/inputs.js';
import { train } from '#src/library/train.js';
import { verify } from '#src/library/verify.js';
import { numericsOf } from '#src/shared/engine/numerics/numerics.js';
import { modelOf } from '#src/shared/model/registry.js';
import { lockstep } from '../support/program.ts';

/** What version 0.1.0 had after 20 steps without the kill. */
const FINISHED = {
  weightsSha256: 'f5b579465983903fe78e6047f14961d8a6cae80f30d70e1809493af6545d5202',
  chain: '67a128878bcfb08e94a7aff7071a8e7d07d431e9761e7a9e8be3f181c3807af4',
  testLoss: 1.4981432802385175,
};
const DIGEST = '61ca76e0cca528e5b17723e9292bb51a4b7e5685d2214ab695df10590ae3b49f';
const FIXTURE = fileURLToPath(new URL('../../../tests/fixtures/run-0.1.0', import.meta.url));
const env = { ...process.env, MNIST_DIR: '' };

let folder = '';
let run = '';

before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'version-'));
  run = join(folder, 'run-0.1.0');
  await cp(FIXTURE, run, { recursive: true });
});
after(() => rm(folder, { recursive: true, force: true }));

test('its checkpoint is evaluated without a note on other numerics', async () => {
  const notes: string[] = [];
  const print = (line: string): void => void notes.push(line);
  const model = await findModel(join(run, 'checkpoints', 'step-00000010.safetensors'), { env, print });
  const { testLoss, testAccuracy } = await evaluate(model, { backend: 'kernel', env, print });
  assert.deepEqual({ testLoss, testAccuracy }, { testLoss: 1.8656481939885952, testAccuracy: 0.5193 });
  assert.doesNotMatch(notes.join('\n'), /numerics/);
});

test('it is resumed, and gets the bits that version 0.1.0 had', async () => {
  const job = await resolveJob({ flags: { resume: run, data: 'synthetic', metricsPort: 'off', workers: 2 }, env });
  const { result } = await train(job);
  const { weightsSha256, chain, testLoss } = result as typeof FINISHED;
  assert.deepEqual({ weightsSha256, chain, testLoss }, FINISHED);
  assert.equal((await readManifest(run)).digests.numerics, DIGEST);
});

test('it is verified, the resumed part too', async () => {
  const quiet = { print: () => {}, show: () => {} };
  const { same, steps, recomputed } = await verify({ run, spans: 2, workers: 1, env, ...quiet });
  assert.deepEqual({ same, steps, recomputed: recomputed.steps }, { same: true, steps: 20, recomputed: 20 });
});

test('it is reported', async () => {
  const page = join(folder, 'report.html');
  const { status, stderr } = lockstep(['report', run, '--data', 'synthetic', '--out', page]);
  assert.equal(status, 0, stderr);
  assert.match(await readFile(page, 'utf8'), new RegExp(FINISHED.weightsSha256));
});

test('another digest is refused', async () => {
  const other = join(folder, 'other');
  await cp(FIXTURE, other, { recursive: true });
  const manifest = await readFile(join(other, 'run.json'), 'utf8');
  await writeFile(join(other, 'run.json'), manifest.replace(DIGEST, '0'.repeat(64)));
  const own = numericsOf({ layout: modelOf({ head: 'softmax', rbfJ: 0.1 }), optimizer: 'adam' }).slice(0, 12);
  await assert.rejects(resolveJob({ flags: { resume: other }, env }), new RegExp(`000000000000, .* ${own}`));
});
