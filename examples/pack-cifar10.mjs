#!/usr/bin/env node
// Packs CIFAR-10 into one file that Lockstep trains on:
//
//     node examples/pack-cifar10.mjs DIR cifar10.safetensors
//     lockstep train --data cifar10.safetensors
//
// DIR holds the binary version (data_batch_1.bin to data_batch_5.bin, test_batch.bin and batches.meta.txt, from
// https://www.cs.toronto.edu/~kriz/cifar.html), or the same images as JPEG files in cifar10-jpeg.tar.gz: train/CLASS/NUMBER.jpg
// and test/CLASS/NUMBER.jpg. JPEG files need the package sharp, and another decoder may give other pixels, so another data set.
//
// To pack images of your own, replace what `readParts` returns.

import { closeSync, existsSync, openSync, readFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';

const SHAPE = [3, 32, 32];
const IMAGE_BYTES = 3 * 32 * 32;
/** A record of the binary version: the class, then the red, the green and the blue pixels in rows. */
const RECORD_BYTES = 1 + IMAGE_BYTES;
const TAR_BLOCK = 512;
const ARCHIVE = 'cifar10-jpeg.tar.gz';

/** @returns {Promise<{ classes: string[], made: string, train: Part, test: Part }>} where a Part is { inputs, targets }, both bytes */
async function readParts(folder) {
  if (existsSync(join(folder, 'test_batch.bin'))) return readBinary(folder);
  if (existsSync(join(folder, ARCHIVE))) return await readArchive(join(folder, ARCHIVE));
  throw new Error(`${folder} holds neither test_batch.bin nor ${ARCHIVE}.`);
}

function readBinary(folder) {
  const classes = readFileSync(join(folder, 'batches.meta.txt'), 'utf8')
    .trim()
    .split(/\s*\n\s*/);
  const batches = [1, 2, 3, 4, 5].map((i) => `data_batch_${i}.bin`);
  const part = (files) => {
    const records = Buffer.concat(
      files.map((name) => {
        const bytes = readFileSync(join(folder, name));
        if (bytes.length % RECORD_BYTES === 0) return bytes;
        throw new Error(`${name}: expected records of ${RECORD_BYTES} bytes, but it holds ${bytes.length} bytes.`);
      }),
    );
    const images = [];
    for (let at = 0; at < records.length; at += RECORD_BYTES) {
      images.push({ target: records[at], pixels: records.subarray(at + 1, at + RECORD_BYTES) });
    }
    return partOf(images);
  };
  return { classes, made: 'CIFAR-10, binary version', train: part(batches), test: part(['test_batch.bin']) };
}

async function readArchive(path) {
  const { default: sharp } = await import('sharp');
  const files = [...filesOf(gunzipSync(readFileSync(path)))].sort((a, b) => (a.name < b.name ? -1 : 1));
  const places = files.map(({ name }) => /^(train|test)\/([^/]+)\/(\d+)\.jpg$/.exec(name));
  const classes = [...new Set(places.flatMap((place) => place?.[2] ?? []))].sort();
  const parts = { train: [], test: [] };
  // By number and then by class, so that classes alternate as in the binary version.
  const order = places.flatMap((place, i) => (place === null ? [] : [{ i, number: Number(place[3]) }]));
  order.sort((a, b) => a.number - b.number || a.i - b.i);
  for (const { i } of order) {
    const [, part, name] = places[i];
    parts[part].push({ target: classes.indexOf(name), pixels: await planesOf(sharp, files[i]) });
  }
  return {
    classes,
    made: 'CIFAR-10 from JPEG files, decoded by sharp',
    train: partOf(parts.train),
    test: partOf(parts.test),
  };
}

/** The plain files of a tar archive. */
function* filesOf(tar) {
  for (let at = 0; at + TAR_BLOCK <= tar.length && tar[at] !== 0; ) {
    const text = (begin, length) => tar.toString('latin1', at + begin, at + begin + length).replace(/\0.*$/s, '');
    const size = Number.parseInt(text(124, 12), 8);
    const begin = at + TAR_BLOCK;
    if (text(156, 1) === '0' || text(156, 1) === '')
      yield { name: text(0, 100).replace(/^\.\//, ''), bytes: tar.subarray(begin, begin + size) };
    at = begin + Math.ceil(size / TAR_BLOCK) * TAR_BLOCK;
  }
}

/** A JPEG file's pixels as three planes. */
async function planesOf(sharp, { name, bytes }) {
  const { data, info } = await sharp(bytes).raw().toBuffer({ resolveWithObject: true });
  const { width, height } = info;
  if (width !== SHAPE[2] || height !== SHAPE[1])
    throw new Error(`${name}: expected 32x32 pixels, but it has ${width}x${height}.`);
  const planes = new Uint8Array(IMAGE_BYTES);
  for (let p = 0; p < width * height; p++)
    for (let map = 0; map < 3; map++) planes[map * width * height + p] = data[3 * p + map];
  return planes;
}

function partOf(images) {
  const inputs = new Uint8Array(images.length * IMAGE_BYTES);
  for (const [i, { pixels }] of images.entries()) inputs.set(pixels, i * IMAGE_BYTES);
  return { inputs, targets: Uint8Array.from(images, ({ target }) => target) };
}

/** A safetensors file: the header's length as a little-endian uint64, a JSON header, the tensors. */
function write(file, { classes, made, train, test }) {
  let end = 0;
  const header = { __metadata__: { classes: JSON.stringify(classes), made } };
  const data = [];
  for (const [part, { inputs, targets }] of Object.entries({ train, test })) {
    for (const [name, shape, bytes] of [
      ['inputs', [targets.length, ...SHAPE], inputs],
      ['targets', [targets.length], targets],
    ]) {
      header[`${part}.${name}`] = { dtype: 'U8', shape, data_offsets: [end, end + bytes.length] };
      end += bytes.length;
      data.push(bytes);
    }
  }
  const json = Buffer.from(JSON.stringify(header));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(json.length));
  const output = openSync(file, 'w');
  for (const bytes of [length, json, ...data]) for (let at = 0; at < bytes.length; ) at += writeSync(output, bytes, at);
  closeSync(output);
}

const [folder, file] = process.argv.slice(2);
if (file === undefined) {
  console.error('Usage: node examples/pack-cifar10.mjs DIR FILE.safetensors');
  process.exit(2);
}
const set = await readParts(folder);
write(file, set);
console.log(
  `${file}: ${set.train.targets.length} training and ${set.test.targets.length} test images, ${set.classes.join(', ')}`,
);
