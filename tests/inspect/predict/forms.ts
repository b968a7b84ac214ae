import { encode } from 'fast-png';
import { encoder } from '../../support/pictures.ts';
import { at } from '../../support/reference/arrays.ts';

const SIDE = 28;

interface Picture {
  readonly type: 'png' | 'jpg';
  readonly bytes: Uint8Array;
}

interface DigitForm {
  /** @param image a test digit, bytes [28][28], and its number */
  make(image: Uint8Array, index: number): Picture | Promise<Picture>;
  /** Of the first 100 test digits, by the weights of the test's own run. */
  readonly right: number;
}

/** Ink 0..1 at a place of a larger picture in which the digit lies enlarged and off its centre. */
type InkAt = (x: number, y: number) => number;

/** A digit enlarged (by interpolation, as scanners show one) so that its corner is at `left`, `top`. */
function enlarged(image: Uint8Array, zoom: number, left: number, top: number): InkAt {
  const ink = (x: number, y: number): number =>
    x < 0 || y < 0 || x >= SIDE || y >= SIDE ? 0 : at(image, y * SIDE + x) / 255;
  return (x, y) => {
    const [u, v] = [(x + 0.5 - left) / zoom - 0.5, (y + 0.5 - top) / zoom - 0.5];
    const [i, j] = [Math.floor(u), Math.floor(v)];
    const [p, q] = [u - i, v - j];
    return (1 - q) * ((1 - p) * ink(i, j) + p * ink(i + 1, j)) + q * ((1 - p) * ink(i, j + 1) + p * ink(i + 1, j + 1));
  };
}

/** RGBA bytes [side][side][4]. */
function painted(side: number, paint: (x: number, y: number) => readonly number[]): Uint8Array {
  const data = new Uint8Array(4 * side * side);
  for (let y = 0; y < side; y++) for (let x = 0; x < side; x++) data.set(paint(x, y), 4 * (y * side + x));
  return data;
}

function png(side: number, data: Uint8Array): Picture {
  return { type: 'png', bytes: encode({ width: side, height: side, channels: 4, data }) };
}

async function jpg(side: number, data: Uint8Array, options: object, orientation = 1): Promise<Picture> {
  const made = encoder(data, { width: side, height: side, channels: 4 }).withMetadata({ orientation });
  return { type: 'jpg', bytes: await made.jpeg({ chromaSubsampling: '4:4:4', ...options }).toBuffer() };
}

/** A digit in the middle of a larger picture, with what is black beside it. */
function strayed(image: Uint8Array, isBlack: (x: number, y: number) => boolean): Uint8Array {
  const ink = enlarged(image, 3, 30, 25);
  return painted(140, (x, y) => mix([255, 255, 255], [0, 0, 0], isBlack(x, y) ? 1 : ink(x, y)));
}

/** A mixture of two colours, RGBA. */
function mix(paper: readonly number[], ink: readonly number[], share: number): number[] {
  return [...paper.map((p, c) => Math.round(p + share * (at(ink, c) - p))), 255];
}

export const DIGIT_FORMS: Readonly<Record<string, DigitForm>> = {
  'as they are': {
    make: (image) => ({ type: 'png', bytes: encode({ width: SIDE, height: SIDE, channels: 1, data: image }) }),
    right: 99,
  },
  'dark on light': {
    make: (image) => ({
      type: 'png',
      bytes: encode({ width: SIDE, height: SIDE, channels: 1, data: image.map((v) => 255 - v) }),
    }),
    right: 99,
  },
  'interlaced, 16 bits': {
    make: (image) => ({
      type: 'png',
      bytes: encode(
        { width: SIDE, height: SIDE, channels: 1, depth: 16, data: Uint16Array.from(image, (v) => 257 * v) },
        { interlace: 'Adam7' },
      ),
    }),
    right: 99,
  },
  'large, off-centre and blue on yellow': {
    make: (image, i) => {
      const ink = enlarged(image, 5, 10 + ((7 * i) % 90), 10 + ((13 * i) % 90));
      return png(
        240,
        painted(240, (x, y) => mix([250, 240, 180], [30, 40, 160], ink(x, y))),
      );
    },
    right: 98,
  },
  'red on blue of the same luma': {
    make: (image, i) => {
      const ink = enlarged(image, 3, 10 + ((7 * i) % 20), 10 + ((13 * i) % 20));
      return png(
        120,
        painted(120, (x, y) => mix([20, 60, 200], [200, 30, 30], ink(x, y))),
      );
    },
    right: 98,
  },
  'half red, half blue': {
    make: (image) => {
      const ink = enlarged(image, 3, 10, 10);
      return png(
        104,
        painted(104, (x, y) => mix([255, 255, 255], y < 52 ? [220, 20, 20] : [20, 20, 220], ink(x, y))),
      );
    },
    right: 98,
  },
  small: {
    make: (image) => {
      const ink = enlarged(image, 0.6, 0, 0);
      return png(
        18,
        painted(18, (x, y) => mix([255, 255, 255], [0, 0, 0], ink(x, y))),
      );
    },
    right: 99,
  },
  'black on nothing': {
    make: (image) => {
      const ink = enlarged(image, 3, 5, 20);
      return png(
        120,
        painted(120, (x, y) => [0, 0, 0, Math.round(255 * ink(x, y))]),
      );
    },
    right: 98,
  },
  'white on nothing': {
    make: (image) => {
      const ink = enlarged(image, 3, 30, 2);
      return png(
        120,
        painted(120, (x, y) => [255, 255, 255, Math.round(255 * ink(x, y))]),
      );
    },
    right: 98,
  },
  'cut out of black': {
    make: (image) => {
      const ink = (x: number, y: number): number => at(image, y * SIDE + x);
      return png(
        SIDE,
        painted(SIDE, (x, y) => [ink(x, y), ink(x, y), ink(x, y), ink(x, y) > 0 ? 255 : 0]),
      );
    },
    right: 99,
  },
  'cut out of black with soft edges': {
    make: (image) => {
      const ink = enlarged(image, 3, 5, 20);
      return png(
        120,
        painted(120, (x, y) => [
          ...mix([0, 0, 0], [255, 255, 255], ink(x, y)).slice(0, 3),
          Math.round(255 * ink(x, y)),
        ]),
      );
    },
    right: 97,
  },
  'on a white card with nothing around': {
    make: (image) => {
      const ink = enlarged(image, 3, 20, 20);
      const isCard = (x: number, y: number): boolean => x >= 8 && y >= 8 && x < 112 && y < 112;
      return png(
        120,
        painted(120, (x, y) => (isCard(x, y) ? mix([240, 240, 240], [0, 0, 0], ink(x, y)) : [0, 0, 0, 0])),
      );
    },
    right: 100,
  },
  'with a black pixel far from it': {
    make: (image, i) =>
      png(
        140,
        strayed(image, (x, y) => x === 2 + (i % 3) && y === 137),
      ),
    right: 98,
  },
  "with strips at the scanner's edges": {
    make: (image) =>
      png(
        140,
        strayed(image, (x, y) => x >= 138 || (y < 3 && x > 40)),
      ),
    right: 98,
  },
  'with neither': {
    make: (image) =>
      png(
        140,
        strayed(image, () => false),
      ),
    right: 98,
  },
  'JPEG of grey paper with grain': {
    make: (image, i) => {
      const ink = enlarged(image, 2.5, 20, 15);
      const grain = (x: number, y: number): number =>
        ((x * 7919 + y * 104_729 + i * 31 + ((x * y) % 97) * 53) % 17) - 8;
      return jpg(
        104,
        painted(104, (x, y) =>
          mix([190, 190, 185], [60, 60, 70], ink(x, y)).map((v, c) => (c < 3 ? v + grain(x, y) : v)),
        ),
        { quality: 70 },
      );
    },
    right: 98,
  },
  'JPEG turned by its EXIF orientation': {
    make: (image) => {
      const ink = enlarged(image, 2.5, 10, 10);
      const side = 90;
      // Stored a quarter turn counter-clockwise.
      return jpg(
        side,
        painted(side, (x, y) => mix([255, 255, 255], [0, 0, 0], ink(side - 1 - y, x))),
        { quality: 85 },
        6,
      );
    },
    right: 98,
  },
};
