import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { OWN_ARRAYS } from '#src/shared/data/dataset.js';
import {
  DEFAULT_SET,
  dataNote,
  datasetText,
  NAMED_SETS,
  namedSet,
  namedSetOf,
  nameOf,
  standIn,
} from '#src/shared/data/registry.js';

const options = { env: {}, arrays: OWN_ARRAYS, print: () => {} };

describe('a named data set', () => {
  for (const set of NAMED_SETS.filter(({ isComputed }) => isComputed)) {
    test(`is what its entry says (${set.name})`, async () => {
      const { name, sha256, train, test: heldOut, maps, height, width, classes } = await set.open(options);
      assert.deepEqual([name, sha256], [set.name, set.sha256]);
      for (const { inputs, targets, count } of [train, heldOut]) {
        assert.equal(inputs.length, count * maps * height * width);
        assert.equal(targets.length, count);
        assert.ok(targets.every((label) => label < classes));
      }
    });
  }

  test('is found by its name, and by its digest if that is known', () => {
    for (const set of NAMED_SETS) {
      assert.equal(namedSet(set.name), set);
      const found = set.sha256 === undefined ? [undefined, undefined] : [set, set.name];
      assert.deepEqual([namedSetOf(set.sha256), nameOf(set.sha256)], found);
    }
    assert.deepEqual([namedSet('another'), nameOf('another')], [undefined, undefined]);
  });

  test('is taken for the default one by nobody if it stands in for it', () => {
    assert.equal(datasetText('synthetic'), 'SYNTHETIC digits (not MNIST)');
    assert.match(dataNote('synthetic') ?? '', /says nothing about MNIST/);
    for (const { name } of NAMED_SETS.filter((set) => standIn(set.name) === undefined)) {
      assert.deepEqual([datasetText(name), dataNote(name)], [name, undefined]);
    }
  });

  test('has as many names as classes, and says under what terms it is published', () => {
    for (const { shape, classNames, licence } of NAMED_SETS) {
      assert.equal(new Set(classNames).size, shape.classes);
      assert.ok(licence.length > 0);
    }
  });

  test('has a name and a digest of its own', () => {
    for (const key of ['name', 'title'] as const) {
      assert.equal(new Set(NAMED_SETS.map((set) => set[key])).size, NAMED_SETS.length, key);
    }
    const digests = NAMED_SETS.flatMap(({ sha256 }) => sha256 ?? []);
    assert.equal(new Set(digests).size, digests.length);
    assert.ok(digests.includes(DEFAULT_SET.sha256 as string));
  });
});
