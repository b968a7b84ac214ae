import assert from 'node:assert/strict';
import {
  copyFileSync,
  cpSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import {
  decodeCheckpoint,
  encodeCheckpoint,
  trainingStateOf,
  weightsSha256,
} from '#src/shared/checkpoint/checkpoint.js';
import { checkpointName } from '#src/shared/checkpoint/checkpoint-file.js';
import { layoutOf } from '#src/shared/model/layout.js';
import { lenet5 } from '../support/models.ts';
import { lockstep, manifestOf, stepsOf } from '../support/program.ts';

const folder = mkdtempSync(join(tmpdir(), 'lockstep-foreign-'));
after(() => rmSync(folder, { recursive: true }));

const QUIET = ['--metrics-port', 'off', '--json'];
const SMALL = ['--batch', '16', '--workers', '1', '--data', 'synthetic', '--schedule', 'constant', '--warmup', '0'];
const EVERY = ['--checkpoint-every', '2', '--evaluate-every', '0', '--hash-every', '2'];
const layout = layoutOf(lenet5('softmax'));

/** A run of so many steps. */
function trained(name: string, iterations: number, ...flags: string[]): string {
  const run = join(folder, name);
  const args = ['train', ...SMALL, ...EVERY, ...QUIET, '--iterations', String(iterations), ...flags, '--out', run];
  const { status, stderr } = lockstep(args);
  assert.equal(status, 0, stderr);
  return run;
}

function checkpointOf(run: string, step: number): string {
  return join(run, 'checkpoints', checkpointName(step));
}

const whole = trained('whole', 10);
const otherSeed = trained('other-seed', 10, '--seed', '2');
const begun = trained('begun', 10, '--init', checkpointOf(otherSeed, 8));
let copies = 0;

/** A copy of the run of ten steps as if it had been killed after step 6, and what its checkpoints were then. */
function killed(): string {
  const run = join(folder, `copy-${copies++}`);
  cpSync(whole, run, { recursive: true });
  for (const step of [8, 10]) rmSync(checkpointOf(run, step));
  const { result: _, ended: __, attempts, ...manifest } = manifestOf(run);
  const [{ ended: ___, steps: ____, ...attempt }] = attempts as [Record<string, unknown>];
  writeFileSync(join(run, 'run.json'), JSON.stringify({ ...manifest, state: 'running', attempts: [attempt] }));
  return run;
}

/** Replaces a checkpoint's metadata or weights, with a correct digest of its own. */
function forge(file: string, change: (state: Parameters<typeof encodeCheckpoint>[0]) => object): void {
  const checkpoint = decodeCheckpoint(readFileSync(file), file);
  const state = { ...checkpoint, ...trainingStateOf(checkpoint, layout), layout };
  writeFileSync(file, encodeCheckpoint({ ...state, ...change(state) }));
}

/** Runs in whose folder another run's checkpoint of step 6 or 8 lies, and what the warning says of it. */
const FOREIGN: readonly (readonly [string, (run: string) => void, RegExp])[] = [
  [
    'of another seed',
    (run) => copyFileSync(checkpointOf(otherSeed, 8), checkpointOf(run, 8)),
    /PASSED OVER .*step-00000008\.safetensors has the seed 2, but the run has 1/,
  ],
  [
    'of the same options that began with --init',
    (run) => copyFileSync(checkpointOf(begun, 8), checkpointOf(run, 8)),
    /PASSED OVER .*step-00000008\.safetensors began with other weights than the run/,
  ],
  [
    'that differs in the chain alone',
    (run) => {
      copyFileSync(checkpointOf(begun, 8), checkpointOf(run, 8));
      forge(checkpointOf(run, 8), ({ digests: { init: _, ...digests } }) => ({ digests }));
    },
    /PASSED OVER .*step-00000008\.safetensors has the chain [0-9a-f]{64}, but steps\.jsonl has [0-9a-f]{64}/,
  ],
  [
    'that differs in the weights alone',
    (run) => {
      copyFileSync(checkpointOf(whole, 8), checkpointOf(run, 8));
      forge(checkpointOf(run, 8), ({ weights }) => ({ weights: weights.with(0, 0.5) }));
    },
    /PASSED OVER .*step-00000008\.safetensors has the weightsSha256 [0-9a-f]{64}, but steps\.jsonl has/,
  ],
  [
    'under the name of another step',
    (run) => copyFileSync(checkpointOf(whole, 4), checkpointOf(run, 8)),
    /PASSED OVER .*step-00000008\.safetensors holds step 4, not the one of its name/,
  ],
];

describe("another run's checkpoint in the folder of a run", () => {
  for (const [what, put, warning] of FOREIGN) {
    it(`${what} is passed over by --resume, and the bits are the run's own`, () => {
      const run = killed();
      put(run);
      const { status, stdout, stderr } = lockstep(['train', '--resume', run, ...QUIET]);
      assert.equal(status, 0, stderr);
      assert.match(stderr, warning);
      assert.equal((manifestOf(run).attempts as { from: number }[])[1]?.from, 6);
      assert.equal(JSON.parse(stdout).chain, manifestOf(whole).chain);
      assert.deepEqual(stepsOf(run), stepsOf(whole));
      assert.ok(existsSync(`${checkpointOf(run, 8)}.damaged`));
    });
  }

  it('is passed over by what reads a run', () => {
    const run = killed();
    const [, put, warning] = FOREIGN[1] as (typeof FOREIGN)[number];
    put(run);
    const out = join(folder, `weights-${copies}.safetensors`);
    for (const args of [
      ['evaluate', run, '--data', 'synthetic'],
      ['export', run, '--format', 'safetensors', '--out', out],
    ]) {
      const { status, stdout, stderr } = lockstep([...args, '--json']);
      assert.equal(status, 0, stderr);
      assert.equal(JSON.parse(stdout).checkpoint, checkpointOf(run, 6));
      assert.match(stderr, warning);
    }
    const report = lockstep(['report', run, '--data', 'synthetic', '--json']);
    assert.equal(report.status, 0, report.stderr);
    assert.deepEqual(
      JSON.parse(report.stdout).snapshots.map(({ title }: { title: string }) => title),
      ['step 2', 'step 6'],
    );
    const next = join(folder, `next-${copies}`);
    const flags = [...SMALL, ...QUIET, '--iterations', '1', '--init', run, '--out', next];
    const initialized = lockstep(['train', ...flags]);
    assert.equal(initialized.status, 0, initialized.stderr);
    assert.match(initialized.stderr, warning);
    const own = checkpointOf(run, 6);
    const { weights } = trainingStateOf(decodeCheckpoint(readFileSync(own), own), layout);
    assert.equal(manifestOf(next).digests.init, weightsSha256(weights));
  });

  it('of a step that the run has not done is passed over', () => {
    const run = trained('short', 4);
    copyFileSync(checkpointOf(whole, 8), checkpointOf(run, 8));
    forge(checkpointOf(run, 8), ({ config }) => ({ config: { ...config, iterations: 4 } }));
    const { status, stdout, stderr } = lockstep(['train', '--resume', run, '--iterations', '10', ...QUIET]);
    assert.equal(status, 0, stderr);
    assert.match(stderr, /PASSED OVER .*holds step 8, but the run has done 4/);
    assert.equal(JSON.parse(stdout).chain, manifestOf(whole).chain);
  });

  it('is an error if there is no other, which changes nothing', () => {
    const run = killed();
    for (const name of readdirSync(join(run, 'checkpoints'))) rmSync(join(run, 'checkpoints', name));
    copyFileSync(checkpointOf(otherSeed, 8), checkpointOf(run, 8));
    const before = readFileSync(join(run, 'steps.jsonl'), 'utf8');
    const { status, stderr } = lockstep(['train', '--resume', run, ...QUIET]);
    assert.equal(status, 2);
    assert.match(stderr, /has the seed 2, but the run has 1/);
    assert.match(
      stderr,
      /No intact checkpoint is left in .*checkpoints that is this run's own, so the run can't be resumed/,
    );
    assert.deepEqual(readdirSync(join(run, 'checkpoints')), [checkpointName(8)]);
    assert.equal(readFileSync(join(run, 'steps.jsonl'), 'utf8'), before);
    const evaluated = lockstep(['evaluate', run, '--data', 'synthetic', '--json']);
    assert.equal(evaluated.status, 2);
    assert.match(evaluated.stderr, /has the seed 2, but the run has 1/);
  });

  it('is taken if it is named itself', () => {
    const run = killed();
    copyFileSync(checkpointOf(otherSeed, 8), checkpointOf(run, 8));
    const { status, stdout, stderr } = lockstep(['evaluate', checkpointOf(run, 8), '--data', 'synthetic', '--json']);
    assert.equal(status, 0, stderr);
    assert.equal(JSON.parse(stdout).step, 8);
  });
});
