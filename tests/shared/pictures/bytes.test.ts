// The pixels and samples of a few pictures of each format, by their hashes: the same on every processor.
//     node dist/tests/shared/pictures/bytes.test.js               without `node --test`, which would leave an emulator
//     node dist/tests/shared/pictures/bytes.test.js --write       after another version of sharp
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { extname } from 'node:path';
import { test } from 'node:test';
import { decodePicture, decoderVersions } from '#src/shared/pictures/decode.js';
import { ENDINGS } from '#src/shared/pictures/formats.js';
import { sampleOf } from '#src/shared/pictures/resize.js';

const FOLDER = new URL('../../../../tests/fixtures/pictures/', import.meta.url);
const HASHES = new URL('hashes.json', FOLDER);

async function hashesOf(name: string): Promise<{ readonly pixels: string; readonly samples: string }> {
  const pixels = await decodePicture(readFileSync(new URL(name, FOLDER)));
  const samples = createHash('sha256');
  for (const resize of ['contain', 'cover', 'stretch'] as const) {
    samples.update(sampleOf(pixels, { maps: 3, height: 20, width: 27 }, resize));
    samples.update(sampleOf(pixels, { maps: 1, height: 90, width: 64 }, resize));
  }
  const { width, height, channels, data } = pixels;
  const all = createHash('sha256').update(`${width}x${height}x${channels} `).update(data);
  return { pixels: all.digest('hex'), samples: samples.digest('hex') };
}

const names = readdirSync(FOLDER).filter((name) => ENDINGS.has(extname(name)));
const found: Record<string, unknown> = { decoder: decoderVersions() };
for (const name of names.sort()) found[name] = await hashesOf(name);

if (process.argv.includes('--write')) writeFileSync(HASHES, `${JSON.stringify(found, undefined, 2)}\n`);

const { EXPECT_ARCH } = process.env;
if (EXPECT_ARCH !== undefined)
  test('runs on the processor it is meant for', () => assert.equal(process.arch, EXPECT_ARCH));

test('pictures of each format are decoded and become samples to the same bytes', () => {
  assert.ok(names.length > 20);
  assert.deepEqual(found, JSON.parse(readFileSync(HASHES, 'utf8')));
});
