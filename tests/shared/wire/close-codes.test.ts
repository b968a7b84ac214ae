import assert from 'node:assert/strict';
import { test } from 'node:test';
import { closeCodes, closeText, retriesAfter } from '#src/shared/wire/close-codes.js';

test('the numbers of the close codes are pinned', () => {
  assert.deepEqual(Object.fromEntries(Object.entries(closeCodes).map(([name, { code }]) => [name, code])), {
    malformed: 4400,
    unauthorized: 4401,
    version: 4402,
    role: 4403,
    numerics: 4404,
    tampered: 4405,
    tooLarge: 4406,
    timeout: 4407,
    unexpected: 4408,
    badResult: 4409,
    notFinite: 4410,
    tooMany: 4411,
    replaced: 4412,
    runOver: 4413,
    stopping: 4414,
    unreliable: 4415,
  });
});

test('each reason fits into a close frame', () => {
  for (const { reason } of Object.values(closeCodes)) assert.ok(Buffer.byteLength(reason) <= 123, reason);
});

test('why a connection was closed is said in words, whatever the code', () => {
  const texts = [...Array(17).keys()].map((more) => closeText(1000 + more, ''));
  for (const text of [...texts, closeText(4407, ''), closeText(3000, '')]) assert.match(text, /^[a-z]+ [a-z ]+/);
  assert.equal(closeText(1006, ''), 'its connection broke');
  assert.equal(closeText(4407, 'the peer missed a deadline: pong'), 'the peer missed a deadline: pong (4407)');
  assert.equal(closeText(1001, 'restarting.'), 'restarting');
});

test('a node tries again only if that can help', () => {
  const again = Object.values(closeCodes).filter(({ code }) => retriesAfter(code));
  assert.deepEqual(
    again.map(({ code }) => code),
    [4405, 4407, 4411, 4414],
  );
  for (const code of [1001, 1002, 1005, 1006, 1011, 1012, 1013]) assert.equal(retriesAfter(code), true, `${code}`);
  for (const code of [1000, 1009]) assert.equal(retriesAfter(code), false, `${code}`);
});
