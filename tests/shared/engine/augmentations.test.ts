// Every kind of augmentation, compared to docs/determinism.md in whole numbers of any size, and to what it is meant to do.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { Augmenter } from '#src/shared/engine/augmentations/augmenter.js';
import { Geometry, ONE } from '#src/shared/engine/augmentations/geometry.js';
import { AUGMENTATIONS, augmentRefusal, defaultAugment } from '#src/shared/engine/augmentations/registry.js';
import { halfTangent } from '#src/shared/engine/augmentations/rotate.js';
import type { Shape } from '#src/shared/model/shape.js';
import { PURPOSE, philox } from '#src/shared/util/philox.js';

const GREY: Shape = { maps: 1, height: 28, width: 28 };
const COLOURS: Shape = { maps: 3, height: 9, width: 14 };
const ALL = 'colour:30,flip,scale:20,rotate:25,crop:2,elastic:3.5,cutout:3,shift';

const sizeOf = ({ maps, height, width }: Shape): number => maps * height * width;
const at = (values: ArrayLike<number>, i: number): number => values[i] as number;

/** A picture with something everywhere. */
function noise(shape: Shape, from = 1): Uint8Array {
  return Uint8Array.from({ length: sizeOf(shape) }, (_, i) => ((i + from) * 7919 + ((i * i) % 71)) % 256);
}

/** A round blob in the middle, smooth and with room around it. */
function blob({ maps, height, width }: Shape): Uint8Array {
  return Uint8Array.from({ length: maps * height * width }, (_, i) => {
    const [y, x] = [Math.floor(i / width) % height, i % width];
    const distance = ((y - (height - 1) / 2) / 5) ** 2 + ((x - (width - 1) / 2) / 4) ** 2;
    return Math.round(240 * Math.max(0, 1 - distance));
  });
}

interface Options {
  readonly augment: string;
  readonly shape: Shape;
  readonly seed?: number;
  readonly position?: number;
}

/** One augmented sample. */
function augmented<Values extends Uint8Array | Float32Array>(
  picture: Values,
  { augment, shape, seed = 1, position = 0 }: Options,
): Values {
  const samples = { inputs: picture.slice(), targets: new Uint16Array(1) };
  const batch = { targets: samples.targets, indices: Int32Array.of(0), shifts: new Int8Array(2) };
  const augmenter = new Augmenter({ seed, augment }, shape, samples);
  return augmenter.augment({ ...batch, inputs: picture, first: position }).inputs as Values;
}

// The second version, as docs/determinism.md has it.

type Draw = (n: number) => bigint;

/** draw(n) of a kind's stream. */
function drawsOf(seed: number, kind: number, position: number): Draw {
  const key = Uint32Array.from([seed % 2 ** 32, Math.floor(seed / 2 ** 32)]);
  let word = 0;
  const next = (): bigint => {
    const block = new Uint32Array(4);
    const counter = [
      Math.floor(word / 4),
      position % 2 ** 32,
      Math.floor(position / 2 ** 32),
      PURPOSE.augmentation + 256 * kind,
    ];
    philox(Uint32Array.from(counter), key, block);
    return BigInt(block[word++ % 4] as number);
  };
  return (n) => {
    for (;;) {
      const product = next() * BigInt(n);
      if ((product & 0xffffffffn) >= 2n ** 32n % BigInt(n)) return product >> 32n;
    }
  };
}

/** floor(a / b), b above 0. */
function floor(a: bigint, b: bigint): bigint {
  const quotient = a / b;
  return quotient * b > a ? quotient - 1n : quotient;
}

type Matrix = readonly [bigint, bigint, bigint, bigint];

function times([e, f, g, h]: Matrix, [a, b, c, d]: Matrix): Matrix {
  const rounded = (sum: bigint): bigint => floor(sum + 2n ** 15n, 2n ** 16n);
  return [rounded(e * a + f * c), rounded(e * b + f * d), rounded(g * a + h * c), rounded(g * b + h * d)];
}

function recoloured(picture: readonly bigint[], { maps, height, width }: Shape, percent: number, draw: Draw): bigint[] {
  const m = Math.floor((256 * percent) / 100);
  const factor = (): bigint => 256n + draw(2 * m + 1) - BigInt(m);
  const [brightness, contrast] = [factor(), factor()];
  const saturation = maps === 3 ? factor() : 256n;
  const pixels = height * width;
  const grey = Array.from({ length: pixels }, (_, p) => {
    const [r = 0n, g = 0n, b = 0n] = [0, 1, 2].map((map) => picture[map * pixels + p]);
    return maps === 1 ? r : floor(77n * r + 150n * g + 29n * b + 128n, 256n);
  });
  const mean = floor(2n * grey.reduce((sum, each) => sum + each) + BigInt(pixels), 2n * BigInt(pixels));
  return picture.map((value, i) => {
    const saturated = saturation * value + (256n - saturation) * (grey[i % pixels] as bigint);
    const contrasted = floor(contrast * saturated + (256n - contrast) * 256n * mean, 256n);
    const result = floor(brightness * contrasted + 2n ** 15n, 2n ** 16n);
    return result < 0n ? 0n : result > 255n ? 255n : result;
  });
}

/** [height][width] displacements from control points 8 pixels apart. */
function bent({ height, width }: Shape, pixels: number, draw: Draw): bigint[] {
  const bound = 256 * pixels;
  const [lines, points] = [Math.floor((height - 1) / 8) + 3, Math.floor((width - 1) / 8) + 3];
  const controls = Array.from({ length: lines * points }, () => draw(2 * bound + 1) - BigInt(bound));
  const weights = (j: number): number[] => [(8 - j) ** 2, 128 - (8 - j) ** 2 - j * j, j * j];
  return Array.from({ length: height * width }, (_, i) => {
    const [y, x] = [Math.floor(i / width), i % width];
    let sum = 0n;
    for (const [line, down] of weights(y % 8).entries())
      for (const [point, right] of weights(x % 8).entries())
        sum +=
          BigInt(down * right) * (controls[(Math.floor(y / 8) + line) * points + Math.floor(x / 8) + point] as bigint);
    return floor(sum + 2n ** 13n, 2n ** 14n);
  });
}

/** tan(degrees / 2) in units of 2^-16, by the engine's mathematics. */
const tangentOf = (degrees: number): number => Math.round(2 ** 16 * Math.tan((degrees * Math.PI) / 360));

/** A sample with the kinds that are given, in the order of docs/determinism.md. */
function reference(picture: Uint8Array, { augment, shape, seed = 1, position = 0 }: Options): number[] {
  const given = new Map(augment.split(',').map((each) => each.split(':') as [string, string]));
  const strength = (name: string): number => Number(given.get(name));
  const stream = (kind: number): Draw => drawsOf(seed, kind, position);
  const { maps, height, width } = shape;
  let values: bigint[] = Array.from(picture, BigInt);
  if (given.has('colour')) values = recoloured(values, shape, strength('colour'), stream(6));
  let matrix: Matrix = [2n ** 16n, 0n, 0n, 2n ** 16n];
  if (given.has('flip') && stream(1)(2) === 1n) matrix = times(matrix, [-(2n ** 16n), 0n, 0n, 2n ** 16n]);
  if (given.has('scale')) {
    const [draw, m] = [stream(4), Math.floor((2 ** 16 * strength('scale')) / 100)];
    const factor = (): bigint => 2n ** 16n + draw(2 * m + 1) - BigInt(m);
    const across = factor();
    matrix = times(matrix, [across, 0n, 0n, factor()]);
  }
  if (given.has('rotate')) {
    const m = tangentOf(strength('rotate'));
    const t = stream(3)(2 * m + 1) - BigInt(m);
    const whole = 2n ** 32n + t * t;
    const cosine = floor(2n * 2n ** 16n * (2n ** 32n - t * t) + whole, 2n * whole);
    const sine = floor(2n * 2n ** 33n * t + whole, 2n * whole);
    matrix = times(matrix, [cosine, sine, -sine, cosine]);
  }
  let [down, right] = [0n, 0n];
  if (given.has('crop')) {
    const n = strength('crop');
    const v = stream(2)((2 * n + 1) ** 2);
    [down, right] = [v / BigInt(2 * n + 1) - BigInt(n), (v % BigInt(2 * n + 1)) - BigInt(n)];
  }
  const still = new Array<bigint>(height * width).fill(0n);
  const draw = stream(5);
  const [bendX, bendY] = given.has('elastic')
    ? [bent(shape, strength('elastic'), draw), bent(shape, strength('elastic'), draw)]
    : [still, still];
  const [a, b, c, d] = matrix;
  const result = values.map((_, i) => {
    const p = i % (height * width);
    const [y, x] = [Math.floor(p / width), p % width];
    const u = 256n * (BigInt(x) - right) - 128n * BigInt(width - 1) + (bendX[p] as bigint);
    const v = 256n * (BigInt(y) - down) - 128n * BigInt(height - 1) + (bendY[p] as bigint);
    const px = floor(a * u + b * v + 2n ** 15n, 2n ** 16n) + 128n * BigInt(width - 1);
    const py = floor(c * u + d * v + 2n ** 15n, 2n ** 16n) + 128n * BigInt(height - 1);
    const [column, row] = [floor(px, 256n), floor(py, 256n)];
    const [fx, fy] = [px - 256n * column, py - 256n * row];
    const pixel = (r: bigint, q: bigint): bigint =>
      r < 0n || q < 0n || r >= height || q >= width ? 0n : (values[i - p + Number(r) * width + Number(q)] as bigint);
    const sum =
      (256n - fy) * ((256n - fx) * pixel(row, column) + fx * pixel(row, column + 1n)) +
      fy * ((256n - fx) * pixel(row + 1n, column) + fx * pixel(row + 1n, column + 1n));
    return Number(floor(sum + 2n ** 15n, 2n ** 16n));
  });
  if (!given.has('cutout')) return result;
  const side = strength('cutout');
  const cut = stream(7);
  const top = Number(cut(height)) - Math.floor(side / 2);
  const left = Number(cut(width)) - Math.floor(side / 2);
  for (let i = 0; i < maps * height * width; i++) {
    const [y, x] = [Math.floor(i / width) % height, i % width];
    if (y >= top && y < top + side && x >= left && x < left + side) result[i] = 0;
  }
  return result;
}

describe('an augmented sample', () => {
  const lists = [
    ...['colour:30', 'colour:100', 'flip', 'scale:20', 'rotate:25', 'rotate:90', 'crop:2', 'crop:30', 'elastic:3.5'],
    ...['elastic:32', 'cutout:8', 'cutout:100', 'flip,crop:4', 'scale:90,rotate:90,crop:5,elastic:32', ALL],
  ];
  for (const augment of lists)
    it(`is what the written algorithm gives: ${augment}`, () => {
      for (const shape of [GREY, COLOURS])
        for (const [seed, position] of [
          [1, 0],
          [1, 7],
          [2 ** 53 - 1, 2 ** 45 + 3],
        ] as const) {
          const options = { augment, shape, seed, position };
          assert.deepEqual([...augmented(noise(shape), options)], reference(noise(shape), options));
        }
    });

  it('is that for pictures whose positions have more than 32 bits', () => {
    const shape = { maps: 1, height: 3, width: 700 };
    const options = { augment: 'scale:90,rotate:40,elastic:8', shape, position: 5 };
    assert.deepEqual([...augmented(noise(shape), options)], reference(noise(shape), options));
  });

  it('depends on seed and position, and not on what it is computed with', () => {
    const count = 5;
    const size = sizeOf(GREY);
    const inputs = Uint8Array.from({ length: 4 * size }, (_, i) => (i * 31 + (i >> 8)) % 256);
    const samples = { inputs: new Uint8Array(count * size), targets: new Uint16Array(count) };
    const augmenter = new Augmenter({ seed: 3, augment: ALL }, GREY, samples);
    const [indices, shifts] = [Int32Array.of(3, 0, 2, 2, 1), new Int8Array(2 * count)];
    const batch = { inputs, targets: Uint16Array.of(10, 11, 12, 13), shifts };
    fc.assert(
      fc.property(fc.nat({ max: 2 ** 50 }), fc.integer({ min: 0, max: count - 1 }), (first, i) => {
        augmenter.augment({ ...batch, indices, first: first + 9 });
        const made = augmenter.augment({ ...batch, indices, first });
        const whole = made.inputs.slice(i * size, (i + 1) * size);
        assert.deepEqual([...made.targets], [13, 10, 12, 12, 11]);
        const index = indices[i] as number;
        const options = { augment: ALL, shape: GREY, seed: 3, position: first + i };
        assert.deepEqual(whole, augmented(inputs.slice(index * size, (index + 1) * size), options));
      }),
      { numRuns: 20 },
    );
    assert.notDeepEqual(
      augmented(blob(GREY), { augment: ALL, shape: GREY, seed: 4 }),
      augmented(blob(GREY), { augment: ALL, shape: GREY, seed: 3 }),
    );
  });

  it('has the numbers of its own sample to learn', () => {
    const samples = { inputs: new Uint8Array(2 * sizeOf(GREY)), targets: new Float32Array(4) };
    const augmenter = new Augmenter({ seed: 1, augment: 'flip' }, GREY, samples);
    const inputs = new Uint8Array(3 * sizeOf(GREY));
    const batch = {
      inputs,
      targets: Float32Array.of(0.5, 1.5, 2.5, 3.5, 4.5, 5.5),
      first: 0,
      shifts: new Int8Array(4),
    };
    const { targets, indices } = augmenter.augment({ ...batch, indices: Int32Array.of(2, 1) });
    assert.deepEqual([...targets], [4.5, 5.5, 2.5, 3.5]);
    assert.deepEqual([...indices], [0, 1]);
  });

  it('stays as it is at strength 0', () => {
    const list = AUGMENTATIONS.filter(({ strength }) => strength !== undefined).map(({ name }) => `${name}:0`);
    for (const augment of [...list, list.join()])
      for (const shape of [GREY, COLOURS])
        assert.deepEqual(augmented(noise(shape), { augment, shape, position: 2 }), noise(shape), augment);
  });

  it('is drawn in the same way whatever other kinds there are', () => {
    for (let position = 0; position < 20; position++) {
      const options = { shape: COLOURS, position };
      const first = augmented(noise(COLOURS), { ...options, augment: 'colour:20' });
      const second = augmented(first, { ...options, augment: 'flip' });
      const third = augmented(second, { ...options, augment: 'crop:2' });
      const fourth = augmented(third, { ...options, augment: 'cutout:4' });
      assert.deepEqual(augmented(noise(COLOURS), { ...options, augment: 'cutout:4,crop:2,flip,colour:20' }), fourth);
    }
  });
});

describe('floats', () => {
  it('are moved, mirrored and cut out as they are', () => {
    const values = Float32Array.from(noise(COLOURS), (value) => value / 7);
    for (const augment of ['flip', 'crop:2', 'cutout:4', 'flip,crop:3,cutout:5'])
      for (let position = 0; position < 8; position++) {
        const options = { augment, shape: COLOURS, position };
        const expected = Float32Array.from(augmented(noise(COLOURS), options), (value) => value / 7);
        assert.deepEqual(augmented(values, options), expected);
      }
  });
});

describe('a kind', () => {
  const positions = Array.from({ length: 400 }, (_, position) => position);

  it('flips every other sample, and twice is not at all', () => {
    const flipped = positions.filter((position) => {
      const result = augmented(noise(COLOURS), { augment: 'flip', shape: COLOURS, position });
      return Buffer.compare(result, noise(COLOURS)) !== 0;
    });
    assert.ok(Math.abs(flipped.length - 200) < 50, `${flipped.length} of 400`);
    const geometry = new Geometry(COLOURS);
    const result = new Uint8Array(sizeOf(COLOURS));
    for (const isMirrored of [true, false]) {
      geometry.multiply([-ONE, 0, 0, ONE]);
      geometry.transform(noise(COLOURS), 0, result);
      for (let i = 0; i < result.length; i++) {
        const [row, x] = [Math.floor(i / COLOURS.width), i % COLOURS.width];
        assert.equal(result[i], at(noise(COLOURS), row * COLOURS.width + (isMirrored ? COLOURS.width - 1 - x : x)));
      }
    }
  });

  it('crops at every place', () => {
    const places = positions.map((position) => {
      const picture = new Uint8Array(sizeOf(GREY));
      picture[14 * 28 + 14] = 255;
      return augmented(picture, { augment: 'crop:2', shape: GREY, position }).indexOf(255);
    });
    const expected = [-2, -1, 0, 1, 2].flatMap((down) =>
      [-2, -1, 0, 1, 2].map((right) => (14 + down) * 28 + 14 + right),
    );
    assert.deepEqual(
      [...new Set(places)].sort((a, b) => a - b),
      expected,
    );
  });

  it('keeps most of the ink if it only moves it', () => {
    const ink = (values: Uint8Array): number => values.reduce((sum, value) => sum + value, 0);
    for (const [augment, share] of [
      ['rotate:45', 0.01],
      ['crop:4', 0],
      ['elastic:3', 0.5],
      ['scale:20', 0.6],
    ] as const)
      for (const position of positions.slice(0, 40)) {
        const [before, after] = [ink(blob(GREY)), ink(augmented(blob(GREY), { augment, shape: GREY, position }))];
        assert.ok(Math.abs(after - before) <= share * before, `${augment}: ${after}, not ${before}`);
      }
  });

  it('rotates and scales as real numbers say', () => {
    for (const position of positions.slice(0, 20)) {
      const scaled = drawsOf(1, 4, position);
      const factor = (): number => (2 ** 16 + Number(scaled(2 * 13_107 + 1)) - 13_107) / 2 ** 16;
      const [across, down] = [factor(), factor()];
      const m = tangentOf(30);
      const angle = 2 * Math.atan((Number(drawsOf(1, 3, position)(2 * m + 1)) - m) / 2 ** 16);
      const result = augmented(blob(GREY), { augment: 'rotate:30,scale:20', shape: GREY, position });
      for (let i = 0; i < result.length; i++) {
        const [y, x] = [Math.floor(i / 28) - 13.5, (i % 28) - 13.5];
        const column = 13.5 + across * (Math.cos(angle) * x + Math.sin(angle) * y);
        const row = 13.5 + down * (Math.cos(angle) * y - Math.sin(angle) * x);
        const expected = bilinear(blob(GREY), row, column);
        assert.ok(Math.abs(at(result, i) - expected) <= 1.5, `${position}, ${i}: ${result[i]}, not ${expected}`);
      }
    }
  });

  it('knows the tangent of every angle, and is in no doubt how to round it', () => {
    for (let degrees = 0; degrees <= 90; degrees++) {
      assert.equal(halfTangent(degrees), tangentOf(degrees));
      const fraction = (2 ** 16 * Math.tan((degrees * Math.PI) / 360)) % 1;
      assert.ok(Math.abs(fraction - 0.5) > 1e-4, `${degrees}`);
    }
  });

  it('bends smoothly, as its documentation says', () => {
    const shape = { maps: 1, height: 64, width: 64 };
    let squares = 0;
    for (const position of positions.slice(0, 30)) {
      const field = bent(shape, 4, drawsOf(1, 5, position)).map(Number);
      for (let i = 0; i < field.length; i++) {
        squares += (at(field, i) / 256) ** 2 / field.length / 30;
        if (i % 64 > 0) assert.ok(Math.abs(at(field, i) - at(field, i - 1)) < 256, 'neighbours are drawn apart');
      }
    }
    assert.ok(Math.abs(Math.sqrt(squares) / 4 - 0.32) < 0.02, `${Math.sqrt(squares) / 4}`);
  });
});

/** Between four pixels of a picture of 28x28; 0 outside. */
function bilinear(values: Uint8Array, row: number, column: number): number {
  const [top, left] = [Math.floor(row), Math.floor(column)];
  const pixel = (y: number, x: number): number => (y < 0 || x < 0 || y > 27 || x > 27 ? 0 : at(values, 28 * y + x));
  const [below, right] = [row - top, column - left];
  return (
    (1 - below) * ((1 - right) * pixel(top, left) + right * pixel(top, left + 1)) +
    below * ((1 - right) * pixel(top + 1, left) + right * pixel(top + 1, left + 1))
  );
}

describe('the kinds', () => {
  it('have names and numbers of their own', () => {
    assert.equal(new Set(AUGMENTATIONS.map(({ name }) => name)).size, AUGMENTATIONS.length);
    assert.equal(new Set(AUGMENTATIONS.map(({ number }) => number)).size, AUGMENTATIONS.length);
  });

  const data = { classes: 10, targets: 'uint16', samples: 1, testSamples: 1, inputs: 'uint8' } as const;

  it('are chosen by the data set', () => {
    assert.equal(defaultAugment({ ...data, maps: 1, height: 28, width: 28 }), 'shift');
    assert.equal(defaultAugment({ ...data, maps: 3, height: 32, width: 32 }), 'flip,crop:4');
    assert.equal(defaultAugment({ ...data, maps: 3, height: 96, width: 64 }), 'flip,crop:8');
    assert.equal(defaultAugment({ ...data, maps: 4, height: 28, width: 28 }), 'none');
    assert.equal(defaultAugment({ ...data, maps: 13, height: 1, width: 1 }), 'none');
    assert.equal(defaultAugment({ ...data, inputs: 'float32', maps: 1, height: 28, width: 28 }), 'none');
  });

  it('are refused for samples that they know nothing about', () => {
    const refusal = (augment: string, shape: Shape, inputs: 'uint8' | 'float32' = 'uint8') =>
      augmentRefusal(augment, { ...data, ...shape, inputs });
    assert.equal(refusal(ALL, GREY), undefined);
    assert.equal(refusal('flip,crop:2,cutout:3,shift', GREY, 'float32'), undefined);
    assert.match(refusal('flip,rotate:3', GREY, 'float32') ?? '', /^rotate computes with bytes/);
    assert.match(refusal('colour:3', { ...GREY, maps: 2 }) ?? '', /^colour knows pictures of 1 or 3 maps, .* have 2$/);
    assert.match(refusal('shift', { maps: 5, height: 1, width: 1 }) ?? '', /^shift changes pictures/);
    assert.equal(refusal('none', { maps: 5, height: 1, width: 1 }), undefined);
  });
});
