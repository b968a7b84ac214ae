import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, test } from 'node:test';
import { deflateSync } from 'node:zlib';
import { decodePicture, decoderVersions } from '#src/shared/pictures/decode.js';
import { checkJpeg, checkTiff } from '#src/shared/pictures/formats.js';
import { PictureError } from '#src/shared/pictures/limits.js';
import { isGrey, type Pixels } from '#src/shared/pictures/pixels.js';
import { encoder, madePixels } from '../../support/pictures.ts';
import { chunk, SIGNATURE } from '../../support/png.ts';
import { tiff } from '../../support/tiff.ts';

const CASES = new URL('../../../../tests/fixtures/pictures/', import.meta.url);
const [WIDTH, HEIGHT] = [12, 8];
const PIXELS = madePixels(WIDTH, HEIGHT);

function made() {
  return encoder(PIXELS, { width: WIDTH, height: HEIGHT, channels: 3 });
}

function problemOf(file: Buffer): Promise<string> {
  return decodePicture(file).then(
    () => 'none',
    (error) => {
      assert.ok(error instanceof PictureError, String(error.stack));
      return error.message;
    },
  );
}

/** The largest difference between two pictures. */
function distance(a: Pixels, b: Pixels): number {
  assert.deepEqual([a.width, a.height, a.channels], [b.width, b.height, b.channels]);
  return a.data.reduce((most, value, i) => Math.max(most, Math.abs(value - (b.data[i] as number))), 0);
}

describe('a picture is decoded', () => {
  const expected: Pixels = { width: WIDTH, height: HEIGHT, channels: 3, data: PIXELS };
  const files = {
    PNG: [made().png(), 0],
    'interlaced PNG': [made().png({ progressive: true }), 0],
    'PNG of 16 bits': [made().toColourspace('rgb16').png(), 0],
    WebP: [made().webp({ lossless: true }), 0],
    TIFF: [made().tiff({ compression: 'lzw' }), 0],
    JPEG: [made().jpeg({ quality: 100, chromaSubsampling: '4:4:4' }), 4],
    'progressive JPEG': [made().jpeg({ quality: 100, chromaSubsampling: '4:4:4', progressive: true }), 4],
  } as const;
  for (const [name, [file, most]] of Object.entries(files)) {
    test(name, async () => {
      const pixels = await decodePicture(await file.toBuffer());
      assert.ok(distance(pixels, expected) <= most, `${distance(pixels, expected)}`);
      assert.equal(isGrey(pixels), false);
    });
  }

  test('GIF, with its first frame', async () => {
    const pixels = await decodePicture(await made().gif({ colours: 256, effort: 1, dither: 0 }).toBuffer());
    assert.deepEqual([pixels.width, pixels.height, pixels.channels], [WIDTH, HEIGHT, 4]);
  });

  test('grey files are grey', async () => {
    for (const file of [made().greyscale().png(), made().greyscale().jpeg(), made().greyscale().tiff()]) {
      assert.equal(isGrey(await decodePicture(await file.toBuffer())), true);
    }
  });

  test('printing colours cover the paper', async () => {
    const data = Uint8Array.from([
      ...[0, 0, 0, 0],
      ...[255, 0, 0, 0],
      ...[0, 51, 255, 0],
      ...[51, 0, 0, 51],
      ...[0, 0, 0, 255],
    ]);
    const file = tiff({ width: 5, height: 1, samples: 4, bits: 8, photometric: 5, data });
    const rgb = [
      [255, 255, 255],
      [0, 255, 255],
      [255, 204, 0],
      [163, 204, 204],
      [0, 0, 0],
    ].flat();
    assert.deepEqual([...(await decodePicture(file)).data], rgb);
  });

  test('a colour profile changes no value', async () => {
    const plain = await made().png().toBuffer();
    const profile = chunk('iCCP', [...Buffer.from('p\0\0', 'latin1'), ...deflateSync(Buffer.alloc(200))]);
    const start = SIGNATURE.length + 25;
    const file = Buffer.concat([plain.subarray(0, start), profile, plain.subarray(start)]);
    assert.equal(distance(await decodePicture(file), expected), 0);
  });

  test('its decoder is named', () => assert.match(decoderVersions(), /^sharp \d+\.\d+\.\d+, libvips \d+\.\d+\.\d+$/));
});

describe('EXIF orientation', () => {
  // Seen upright: abc over def.
  const stored = ['abc def', 'cba fed', 'fed cba', 'def abc', 'ad be cf', 'cf be ad', 'fc eb da', 'da eb fc'];
  for (const format of ['png', 'webp', 'tiff', 'jpeg'] as const) {
    test(format, async () => {
      for (const [i, text] of stored.entries()) {
        const rows = text.split(' ');
        const [width, height] = [(rows[0] as string).length, rows.length];
        // Blocks of 16 pixels, so that a JPEG has no others beside them.
        const data = new Uint8Array(16 * 16 * width * height);
        for (let p = 0; p < data.length; p++) {
          const [x, y] = [Math.floor((p % (16 * width)) / 16), Math.floor(p / (256 * width))];
          data[p] = 40 * ((rows[y] as string).charCodeAt(x) - 97);
        }
        const options = format === 'webp' ? { lossless: true } : format === 'jpeg' ? { quality: 100 } : {};
        const file = encoder(data, { width: 16 * width, height: 16 * height, channels: 1 })
          .withMetadata({ orientation: i + 1 })
          [format](options);
        const pixels = await decodePicture(await file.toBuffer());
        const seen = Array.from({ length: 6 }, (_, k) => {
          const [x, y] = [16 * (k % 3) + 8, 16 * Math.floor(k / 3) + 8];
          return 'abcdef'[Math.round((pixels.data[3 * (y * pixels.width + x)] as number) / 40)];
        });
        assert.deepEqual([pixels.width, pixels.height, seen.join('')], [48, 32, 'abcdef'], `${i + 1}`);
      }
    });
  }
});

test('kinds that decoders refuse are read', async () => {
  const read = (name: string): Promise<Pixels> => decodePicture(readFileSync(new URL(name, CASES)));
  const plain = await read('plain-7.png');
  for (const name of [
    'progressive-restart-7.jpg',
    'baseline-restart-7.jpg',
    'arithmetic-7.jpg',
    'cmyk-no-adobe-marker-7.jpg',
  ]) {
    const pixels = await read(name);
    let sum = 0;
    for (const [i, value] of pixels.data.entries()) sum += Math.abs(value - (plain.data[i] as number));
    assert.ok(sum / pixels.data.length < 3, `${name}: ${sum / pixels.data.length}`);
  }
  assert.ok(distance(await read('exif6-7.png'), plain) < 3);
});

describe('what is refused', () => {
  const header = (width: number, height: number, depth: number, colour: number, interlace = 0): number[] => {
    const bytes = Buffer.alloc(13);
    bytes.writeUInt32BE(width, 0);
    bytes.writeUInt32BE(height, 4);
    bytes.set([depth, colour, 0, 0, interlace], 8);
    return [...bytes];
  };
  const png = (head: readonly number[], ...more: readonly Buffer[]): Buffer =>
    Buffer.concat([
      SIGNATURE,
      chunk('IHDR', head),
      ...more,
      chunk('IDAT', deflateSync(Buffer.alloc(60))),
      chunk('IEND', []),
    ]);

  test('what is no picture, or of another format', async () => {
    for (const text of ['', 'hello', '<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"/>', 'BM......']) {
      assert.equal(await problemOf(Buffer.from(text)), 'expected a PNG, JPEG, WebP, GIF or TIFF picture');
    }
  });

  test('a truncated file', async () => {
    for (const file of [made().png(), made().jpeg(), made().webp(), made().tiff()]) {
      const bytes = await file.toBuffer();
      assert.match(await problemOf(bytes.subarray(0, bytes.length - 20)), /^it is (truncated|damaged)/);
    }
  });

  test('a kind that can not be read, which is not damaged', async () => {
    const differential = await made().jpeg().toBuffer();
    differential[differential.indexOf(Buffer.from([0xff, 0xc0])) + 1] = 0xc5;
    assert.match(
      await problemOf(differential),
      /^this kind of JPEG can't be read here \(.*SOF type 0xc5.*\): save it/i,
    );
    const floats = { width: 2, height: 1, samples: 1, bits: 32, photometric: 1, format: 3 } as const;
    const file = tiff({ ...floats, data: new Uint8Array(Float32Array.from([0, 1]).buffer) });
    assert.match(await problemOf(file), /^a TIFF of float values in b-w can't be read here: save it as RGB/);
  });

  test('too many pixels, by the header alone', async () => {
    assert.match(await problemOf(png(header(40_000, 40_000, 8, 2))), /^it is 40000x40000 pixels, more than 25 million/);
    assert.match(await problemOf(png(header(5000, 5000, 16, 6))), /^it has 191 MB of pixels, more than 100/);
    const jpeg = await made().jpeg().toBuffer();
    const frame = jpeg.indexOf(Buffer.from([0xff, 0xc0]));
    jpeg.writeUInt16BE(60_000, frame + 5);
    jpeg.writeUInt16BE(60_000, frame + 7);
    assert.match(await problemOf(jpeg), /^it is 60000x60000 pixels/);
  });

  test('chunks that unpack to more memory than a machine has are left out', async () => {
    const text = chunk('zTXt', [...Buffer.from('Comment\0\0', 'latin1'), ...deflateSync(Buffer.alloc(1_000_000))]);
    const file = png(header(4, 4, 8, 2), ...new Array<Buffer>(2000).fill(text));
    const pixels = await decodePicture(file);
    assert.deepEqual([pixels.width, pixels.height], [4, 4]);
  });

  test('a JPEG of very many scans', async () => {
    const jpeg = await made().jpeg({ progressive: true }).toBuffer();
    assert.equal(checkJpeg(jpeg), 3);
    const last = jpeg.lastIndexOf(Buffer.from([0xff, 0xda]));
    const scans = new Array<Buffer>(500).fill(jpeg.subarray(last, -2));
    const many = Buffer.concat([jpeg.subarray(0, -2), ...scans, jpeg.subarray(-2)]);
    assert.match(await problemOf(many), /^it has 510 scans, more than 32: save it anew/);
    // What follows the picture's end, such as a phone's film, isn't looked at.
    const film = Buffer.concat([jpeg, ...scans]);
    assert.equal(checkJpeg(film), 3);
  });

  test('a GIF of very many bytes', async () => {
    const gif = await made().gif().toBuffer();
    assert.match(await problemOf(Buffer.concat([gif, Buffer.alloc(2 ** 24)])), /more than 16777216 for a GIF/);
  });

  test('a TIFF of very many pages, and one that never ends', async () => {
    const tiff = await made().tiff({ compression: 'none' }).toBuffer();
    checkTiff(tiff);
    const page = tiff.readUInt32LE(4);
    const next = page + 2 + 12 * tiff.readUInt16LE(page);
    const loop = Buffer.from(tiff);
    loop.writeUInt32LE(page, next);
    assert.match(await problemOf(loop), /^it has more than 1000 pages/);
    loop.writeUInt32LE(2 ** 31, next);
    assert.equal(await problemOf(loop), 'it is truncated');
  });
});
