import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { findCheckpoints } from '#src/coordinator/run/find.js';
import { openModel } from '#src/coordinator/run/saved-model.js';
import { metadataOf } from '#src/inspect/export/metadata.js';
import type { Network } from '#src/inspect/export/network.js';
import { layoutOf, type ModelLayout } from '#src/shared/model/layout.js';
import type { ModelSpec } from '#src/shared/model/spec.js';
import { lenet5 } from '../../support/models.ts';
import { argmax, at } from '../../support/reference/arrays.ts';
import { randomWeights } from '../../support/reference/random.ts';

export const main = fileURLToPath(new URL('../../../cli/main.js', import.meta.url));

const STEPS = 200;
const digests = { dataset: 'a'.repeat(64), numerics: 'b'.repeat(64) };

/** Of [images][classes]. */
export type Probabilities = ArrayLike<number> & { subarray(begin: number, end: number): ArrayLike<number> };

export function networkOf(layout: ModelLayout, weights: Float32Array, config: Record<string, unknown> = {}): Network {
  const source = { layout, weights, version: '0.1.0' };
  return { ...source, metadata: metadataOf(source, { step: STEPS, config, digests }, 'first') };
}

/** LeNet-5 with random weights. */
export function randomNetwork(spec: ModelSpec, seed: number): Network {
  const layout = layoutOf(spec);
  const weights = randomWeights(layout, seed);
  return networkOf(layout, weights, { head: spec.head.kind, rbfJ: 0.1 });
}

/** Of a short run on MNIST in a new run directory. */
export async function trainedNetwork(head: 'softmax' | 'rbf', run: string): Promise<Network> {
  const flags = ['--iterations', String(STEPS), '--workers', '2', '--metrics-port', 'off', '--head', head];
  lockstep(['train', ...flags, '--out', run]);
  const { layout, weights } = await openModel((await findCheckpoints(run, ''))[0]);
  return networkOf(layout, weights, { head });
}

export const lenets = (['softmax', 'rbf'] as const).map((head) => ({ head, spec: lenet5(head, 0.1) }));

/** Runs a command that must do well. @returns what it printed */
export function lockstep(args: readonly string[], cwd = process.cwd()): string {
  const { PATH, HOME, MNIST_DIR } = process.env;
  const env = { PATH, HOME, MNIST_DIR };
  const { status, stdout, stderr } = spawnSync(process.execPath, [main, ...args], { cwd, encoding: 'utf8', env });
  assert.equal(status, 0, stderr);
  return stdout;
}

const TOLERANCE = 1e-5;
/**
 * Of a trained network with the RBF head, whose probabilities see float32's rounding in the layers up to F6 forty times
 * enlarged: tfjs itself is up to 1.7e-5 away from exact arithmetic (docs/export.md).
 */
export const TRAINED_RBF_TOLERANCE = 2e-5;
const SHARE = 0.999;

/** The same predictions, and probabilities within the tolerance, nearly all within 1e-5. */
export function assertAgree(theirs: Probabilities, ours: Probabilities, classes: number, tolerance = TOLERANCE): void {
  assert.equal(theirs.length, ours.length);
  const images = ours.length / classes;
  let largest = 0;
  let within = 0;
  for (let image = 0; image < images; image++) {
    const [a, b] = [theirs, ours].map((all) => all.subarray(image * classes, (image + 1) * classes)) as [
      ArrayLike<number>,
      ArrayLike<number>,
    ];
    assert.equal(argmax(a), argmax(b), `the prediction for image ${image}`);
    const difference = Math.max(...Array.from(a, (p, i) => Math.abs(p - at(b, i))));
    // Not Math.max: a NaN must not get lost.
    if (!(difference <= largest)) largest = difference;
    if (difference <= TOLERANCE) within++;
  }
  assert.ok(largest <= tolerance, `a probability differs by ${largest}`);
  assert.ok(within >= SHARE * images, `${images - within} of ${images} images differ by more than ${TOLERANCE}`);
}
