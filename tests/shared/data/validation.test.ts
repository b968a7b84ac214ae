import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { describe, it } from 'node:test';
import type { Dataset } from '#src/shared/data/dataset.js';
import { heldBackOf, maxHeldBack, placesWithout, withValidation } from '#src/shared/data/validation.js';
import { UsageError } from '#src/shared/util/errors.js';
import { madeDataset } from '../../support/made-images.ts';

const dataset = madeDataset(300, 20);
const { train } = dataset;
const BYTES = train.inputs.length / train.count;

/** The SHA-256 of a sample's inputs and target, in hex. */
function hashOf(i: number): string {
  const target = Buffer.alloc(2);
  target.writeUInt16LE(train.targets[i] as number);
  const inputs = train.inputs.subarray(i * BYTES, (i + 1) * BYTES) as Uint8Array;
  return createHash('sha256').update(inputs).update(target).digest('hex');
}

/** Samples of one byte each, with the class 0. */
function ofBytes(...values: readonly number[]): Dataset {
  const part = { inputs: Uint8Array.from(values), targets: new Uint16Array(values.length), count: values.length };
  return { ...dataset, maps: 1, height: 1, width: 1, classes: 1, classNames: ['only'], train: part };
}

function refusalOf(set: Dataset, ratio: number): string {
  try {
    withValidation(set, ratio);
  } catch (error) {
    assert.ok(error instanceof UsageError, String(error));
    return error.message;
  }
  assert.fail('expected a UsageError');
}

describe('the samples that are held back', () => {
  it('are those with the lowest hashes of their content, by their places', () => {
    const all = Array.from({ length: train.count }, (_, i) => i);
    const lowest = all.toSorted((a, b) => (hashOf(a) < hashOf(b) ? -1 : 1)).slice(0, 30);
    const { validation } = withValidation(dataset, 0.1);
    assert.deepEqual(validation, Int32Array.from(lowest.sort((a, b) => a - b)));
    const left = placesWithout(validation as Int32Array, train.count);
    assert.deepEqual(
      [...left],
      all.filter((i) => !lowest.includes(i)),
    );
  });

  it('are the same samples in another order of the data set', () => {
    const places = Array.from({ length: train.count }, (_, i) => (7 * i) % 300);
    const targets = Uint16Array.from(places, (i) => train.targets[i] as number);
    const inputs = Uint8Array.from(places.flatMap((i) => [...train.inputs.subarray(i * BYTES, (i + 1) * BYTES)]));
    const held = heldBackOf({ inputs, targets, count: 300 }, 30);
    const original = Int32Array.from(held, (i) => places[i] as number).sort();
    assert.deepEqual(original, heldBackOf(train, 30));
  });

  it('are none for a ratio of 0, and one at least for others', () => {
    assert.equal(withValidation(dataset, 0), dataset);
    assert.equal(withValidation(dataset, 0.001).validation?.length, 1);
    assert.deepEqual(
      [maxHeldBack(0, 10), maxHeldBack(0.01, 10), maxHeldBack(0.29, 10), maxHeldBack(0.3, 10)],
      [0, 1, 2, 3],
    );
  });

  it('have no double that is trained on', () => {
    const set = ofBytes(...Array.from({ length: 60 }, (_, i) => i % 20));
    for (let ratio = 0.1; ratio < 0.9; ratio += 0.05) {
      const { validation = new Int32Array() } = withValidation(set, ratio);
      assert.equal(validation.length % 3, 0);
      assert.ok(validation.length <= 60 * ratio && validation.length > 60 * ratio - 3);
      const bytes = new Set(Array.from(validation, (i) => set.train.inputs[i]));
      assert.equal(bytes.size, validation.length / 3);
    }
  });

  it('leave samples of every class to train on', () => {
    const targets = Uint16Array.from(train.targets, (target) => Math.min(target, 1));
    for (const i of targets.keys()) targets[i] = hashOf(i) < '05' ? 0 : 1;
    const rare = { ...dataset, train: { ...train, targets } };
    const classes = (held: Int32Array | undefined) => new Set(Array.from(held ?? [], (i) => targets[i]));
    // Other targets, other hashes: a share that takes all of one class is found by trying.
    const ratio = [0.9, 0.95, 0.98, 0.99, 0.995].find((each) => !isPossible(rare, each));
    assert.ok(ratio !== undefined && classes(withValidation(rare, 0.5).validation).size > 0);
    assert.match(
      refusalOf(rare, ratio),
      /^--validation: 0\.9\d* leaves no training sample of mnist's class [01]\. Give a smaller share, or leave it out\.$/,
    );
  });

  it('are refused if those with the lowest hashes are all the same', () => {
    assert.match(
      refusalOf(ofBytes(5, 5, 5, 5), 0.5),
      /^--validation: 0\.5 holds back no sample of mnist, .* Give a larger share/,
    );
  });
});

function isPossible(set: Dataset, ratio: number): boolean {
  try {
    return withValidation(set, ratio) !== undefined;
  } catch {
    return false;
  }
}
