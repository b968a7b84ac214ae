import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { parseJson } from '#src/shared/util/json.js';

test('any JSON is read as by JSON.parse, with or without spaces', () => {
  fc.assert(
    fc.property(fc.json(), fc.constantFrom(0, 1, '\t'), (json, space) => {
      const text = JSON.stringify(JSON.parse(json), undefined, space);
      assert.deepEqual(parseJson(text), JSON.parse(text));
    }),
  );
});

test('a key that stands twice in one object is refused by its name, at any depth', () => {
  fc.assert(
    fc.property(fc.string(), fc.array(fc.constantFrom('[', '{"outer":')), (key, around) => {
      const name = JSON.stringify(key);
      const inner = `{${name}:{${name}:"}{"},"other ${name.slice(1)}:[{${name}:1},{${name}:2}],${name} :3}`;
      const closing = around.map((opening) => (opening === '[' ? ']' : '}'));
      const text = around.join('') + inner + closing.reverse().join('');
      assert.throws(() => parseJson(text), {
        name: 'SyntaxError',
        message: `the key ${name} stands twice in one object`,
      });
    }),
  );
});

test('a key that is written in two ways is the same key', () => {
  assert.throws(() => parseJson('{"seed":1,"\\u0073eed":2}'), /the key "seed" stands twice/);
  assert.throws(() => parseJson('{"__proto__":1,"__proto__":2}'), /the key "__proto__" stands twice/);
});

test("what isn't JSON is refused", () => {
  for (const text of ['', '{', '{"a":1,}', "{'a':1}"]) assert.throws(() => parseJson(text), SyntaxError);
});
