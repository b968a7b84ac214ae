import assert from 'node:assert/strict';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { SendCursor } from '#src/coordinator/observe/remote-write/send-cursor.js';

const RECEIVER = 'http://127.0.0.1:9090/api/v1/write';
const POSITION = { attempt: 2, answered: 500, asked: 1000 };

const folder = mkdtempSync(join(tmpdir(), 'lockstep-cursor-'));
after(() => rmSync(folder, { recursive: true }));

describe('a send cursor', () => {
  const file = join(folder, 'remote-write.json');
  const cursor = new SendCursor(file, RECEIVER);

  it('has no position at first', async () => assert.equal(await cursor.read(), undefined));

  it('holds the last position, for its receiver alone', async () => {
    await cursor.write({ ...POSITION, asked: 500 });
    await cursor.write(POSITION);
    assert.deepEqual(await new SendCursor(file, RECEIVER).read(), { receiver: RECEIVER, ...POSITION });
    assert.equal(await new SendCursor(file, 'http://127.0.0.1:9091/').read(), undefined);
    assert.deepEqual(readdirSync(folder), ['remote-write.json']);
  });

  it('has none where the file is damaged', async () => {
    const text = readFileSync(file, 'utf8');
    for (const damaged of [text.slice(0, -5), text.replace('500', '-1'), text.replace('500', '"x"'), '[]', '']) {
      writeFileSync(file, damaged);
      assert.equal(await cursor.read(), undefined, damaged);
    }
  });

  it('never throws where it cannot be written', async () => {
    await new SendCursor(join(folder, 'none', 'x'), RECEIVER).write(POSITION);
  });
});
