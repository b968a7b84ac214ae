// MNIST itself, in whatever form --data names it.
import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { OWN_ARRAYS } from '#src/shared/data/dataset.js';
import { findAt } from '#src/shared/data/open.js';
import { packedPieces } from '#src/shared/data/pack.js';
import { CONTEXT } from '../../support/find-context.ts';
import { mnist, skip } from '../../support/real-images.ts';

const root = await mkdtemp(join(tmpdir(), 'lockstep-named-'));
after(() => rm(root, { recursive: true }));

describe("MNIST's contents are MNIST, whatever they are called", { skip }, () => {
  test('as a folder of IDX files', async () => {
    const { name, sha256 } = await (await findAt(process.env.MNIST_DIR as string, CONTEXT)).read(OWN_ARRAYS);
    assert.deepEqual([name, sha256], ['mnist', mnist?.sha256]);
  });

  test('as a packed file', async () => {
    assert.ok(mnist);
    const path = join(root, 'digits.safetensors');
    await writeFile(path, Buffer.concat(packedPieces(mnist)));
    const { name, sha256 } = await (await findAt(path, CONTEXT)).read(OWN_ARRAYS);
    assert.deepEqual([name, sha256], ['mnist', mnist.sha256]);
  });
});
