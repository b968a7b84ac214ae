import assert from 'node:assert/strict';
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { inspect } from 'node:util';
import { UsageError } from '#src/shared/util/errors.js';
import { newToken, readToken, Token, warnOfReaders } from '#src/shared/util/token.js';

const root = await mkdtemp(join(tmpdir(), 'lockstep-token-'));
after(() => rm(root, { recursive: true }));

async function fileWith(content: string | Uint8Array): Promise<string> {
  const file = join(root, `token-${Math.floor(performance.now() * 1e6)}`);
  await writeFile(file, content);
  return file;
}

async function assertRefused(
  sources: Parameters<typeof readToken>[0],
  message: RegExp,
  secret?: string,
): Promise<void> {
  await assert.rejects(readToken(sources), (error) => {
    assert.ok(error instanceof UsageError);
    assert.match(error.message, message);
    if (secret) assert.ok(!inspect(error, { depth: 9, showHidden: true }).includes(secret));
    return true;
  });
}

test('a new token has 256 bits, each time others', async () => {
  const tokens = new Set(Array.from({ length: 50 }, newToken));
  assert.equal(tokens.size, 50);
  for (const text of tokens) {
    assert.match(text, /^[\w-]{43}$/);
    assert.equal(Buffer.from(text, 'base64url').length, 32);
    const token = await readToken({ env: { LOCKSTEP_TOKEN: text } });
    assert.deepEqual(token?.key, Buffer.from(text));
  }
});

test('the file goes before the variable, trimmed; neither is no token', async () => {
  const [inFile, inVariable] = [newToken(), newToken()];
  const file = await fileWith(`\uFEFF \t${inFile}\r\n\n`);
  const env = { LOCKSTEP_TOKEN: ` ${inVariable}\n` };
  assert.deepEqual((await readToken({ file, env }))?.key, Buffer.from(inFile));
  assert.deepEqual((await readToken({ env }))?.key, Buffer.from(inVariable));
  assert.equal(await readToken({ env: {} }), undefined);
  assert.equal(await readToken({ env: { LOCKSTEP_TOKEN: '' } }), undefined);
});

test('fewer than 128 bits are refused', async () => {
  const least = ['0123456789abcdef'.repeat(2), 'A'.repeat(16) + 'b'.repeat(16), 'z'.repeat(22), 'éèü §'.repeat(5)];
  for (const text of least)
    assert.deepEqual((await readToken({ env: { LOCKSTEP_TOKEN: text } }))?.key, Buffer.from(text));
  const short = ['0123456789abcdef'.repeat(2).slice(1), 'z'.repeat(21), `${'z'.repeat(20)}==`, '😀'.repeat(21), 'x'];
  for (const text of short) {
    await assertRefused(
      { env: { LOCKSTEP_TOKEN: text } },
      /^The token in LOCKSTEP_TOKEN is too short: .*128 bits/,
      text.length > 1 ? text : undefined,
    );
    await assertRefused(
      { file: await fileWith(text), env: {} },
      /token-\d+ is too short/,
      text.length > 1 ? text : undefined,
    );
  }
  await assertRefused({ env: { LOCKSTEP_TOKEN: '   ' } }, /too short/);
  await assertRefused({ file: await fileWith(''), env: { LOCKSTEP_TOKEN: newToken() } }, /too short/);
});

test('a file that is missing, a folder, binary or of several lines is refused', async () => {
  await assertRefused({ file: join(root, 'gone'), env: {} }, /gone can't be read \(ENOENT\)/);
  await assertRefused({ file: root, env: {} }, /can't be read \(EISDIR\)/);
  await assertRefused({ file: await fileWith(Buffer.alloc(32, 0xff)), env: {} }, /isn't UTF-8 text/);
  const lines = `${newToken()}\n${newToken()}`;
  await assertRefused({ file: await fileWith(lines), env: {} }, /isn't one line of text/, lines.slice(0, 43));
});

test('a token shows itself nowhere', () => {
  const text = newToken();
  const token = new Token(text);
  assert.equal(`${token}`, '[token]');
  assert.equal(JSON.stringify({ token }), '{"token":"[token]"}');
  assert.equal(inspect({ token }), '{ token: [token] }');
  const shown = [
    inspect(token, { showHidden: true, depth: 9 }),
    JSON.stringify({ ...token }),
    Object.keys(token).join(),
  ];
  for (const text_ of shown) {
    assert.ok(!text_.includes(text));
    assert.ok(!text_.includes(Buffer.from(text).toString('hex').slice(0, 8)));
  }
  assert.deepEqual(token.key, Buffer.from(text));
});

test('a file that others can read draws a warning', async () => {
  const file = await fileWith(newToken());
  const warned = async (mode: number): Promise<string[]> => {
    const lines: string[] = [];
    await chmod(file, mode);
    await warnOfReaders([undefined, join(root, 'gone'), file, file], (line) => lines.push(line));
    return lines;
  };
  for (const mode of [0o644, 0o604, 0o640]) {
    assert.deepEqual(await warned(mode), [`Other users can read ${file}, which holds a secret: chmod 600 ${file}`]);
  }
  for (const mode of [0o600, 0o400, 0o622]) assert.deepEqual(await warned(mode), []);
});
