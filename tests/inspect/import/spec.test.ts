import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, it } from 'node:test';
import { readModelFile } from '#src/inspect/import/read-model.js';
import { assertSameOutputs, expectedIn, fixture } from './outputs.ts';

const folder = mkdtempSync(join(tmpdir(), 'lockstep-spec-'));
after(() => rmSync(folder, { recursive: true }));

it('a module of PyTorch, written by examples/pytorch-to-lockstep.py, has the same outputs here', async () => {
  const expected = expectedIn('mixed.outputs.safetensors', 'log-softmax');
  const { weights, warnings } = await assertSameOutputs(fixture('mixed.json'), fixture('mixed.safetensors'), expected);
  assert.deepEqual({ weights, warnings }, { weights: undefined, warnings: [] });
});

it('a spec is read with a byte-order mark, in UTF-8 and in UTF-16', async () => {
  const text = readFileSync(fixture('mixed.json'), 'utf8');
  const path = join(folder, 'mixed.json');
  const expected = (await readModelFile(fixture('mixed.json'))).spec;
  for (const encoding of ['utf8', 'utf16le'] as const) {
    writeFileSync(path, Buffer.from(`\ufeff${text}`, encoding));
    assert.deepEqual((await readModelFile(path)).spec, expected);
  }
});
