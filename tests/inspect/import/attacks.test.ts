import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { readModelFile } from '#src/inspect/import/read-model.js';
import { ModelError } from '#src/shared/util/errors.js';
import { ATTACKS } from './attacks.ts';

/** Of the whole process, with what it takes to make the files: 128 MB of zeros. */
const MAX_MEGABYTES = 300;

const folder = mkdtempSync(join(tmpdir(), 'lockstep-attacks-'));
after(() => rmSync(folder, { recursive: true }));

describe('a file that means harm is refused', () => {
  for (const { name, make, refusal } of ATTACKS) {
    it(name, async () => {
      const path = make(mkdtempSync(join(folder, 'attack-')));
      await assert.rejects(readModelFile(path), (error) => {
        assert.ok(error instanceof ModelError, (error as Error).stack);
        assert.match(error.message, refusal);
        return true;
      });
    });
  }

  it(`with at most ${MAX_MEGABYTES} MB`, () => {
    const alone = fileURLToPath(new URL('attacks-alone.js', import.meta.url));
    const output = execFileSync(process.execPath, [alone], { encoding: 'utf8' });
    assert.ok(Number(output) > 0 && Number(output) <= MAX_MEGABYTES, output);
  });
});
