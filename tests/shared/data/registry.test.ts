import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { DEFAULT_SET, datasetText, NAMED_SETS, namedSet, namedSetOf, nameOf } from '#src/shared/data/registry.js';

const options = { env: {}, allocate: (length: number) => new Uint8Array(length), print: () => {} };

describe('a named data set', () => {
  for (const set of NAMED_SETS.filter(({ isComputed }) => isComputed)) {
    test(`is what its entry says (${set.name})`, async () => {
      const { name, sha256, train, test: heldOut, maps, height, width, classes } = await set.open(options);
      assert.deepEqual([name, sha256], [set.name, set.sha256]);
      for (const { images, labels, count } of [train, heldOut]) {
        assert.equal(images.length, count * maps * height * width);
        assert.equal(labels.length, count);
        assert.ok(labels.every((label) => label < classes));
      }
    });
  }

  test('is found by its name and by its digest; the default set is not one', () => {
    for (const set of NAMED_SETS) {
      assert.deepEqual([namedSet(set.name), namedSetOf(set.sha256), nameOf(set.sha256)], [set, set, set.name]);
      assert.match(datasetText(set.name), /\(not MNIST\)$/);
    }
    assert.deepEqual([namedSet(DEFAULT_SET.name), namedSetOf(DEFAULT_SET.sha256)], [undefined, undefined]);
    assert.equal(nameOf(DEFAULT_SET.sha256), 'mnist');
    assert.equal(datasetText('mnist'), 'mnist');
    assert.equal(nameOf('another'), undefined);
  });

  test('has a name and a digest of its own', () => {
    const sets = [DEFAULT_SET, ...NAMED_SETS];
    for (const key of ['name', 'sha256', 'title'] as const) {
      assert.equal(new Set(sets.map((set) => set[key])).size, sets.length, key);
    }
  });
});
