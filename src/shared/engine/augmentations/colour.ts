import { type Picture, symmetric, type ValueKind } from './kind.ts';

/** 1 as a factor. */
const ONE = 256;

/** Brightness, contrast and, of pictures with three maps, saturation, in this order of the draws. */
export const COLOUR: ValueKind = {
  name: 'colour',
  help: 'brightness, contrast and saturation each changed by up to this',
  number: 6,
  strength: { default: 20, max: 100, step: 1, unit: 'percent' },
  needsBytes: true,
  maps: [1, 3],
  stage: 'before',
  apply(picture, percent, stream) {
    const bound = Math.floor((percent * ONE) / 100);
    const brightness = ONE + symmetric(stream, bound);
    const contrast = ONE + symmetric(stream, bound);
    const saturation = picture.maps === 3 ? ONE + symmetric(stream, bound) : ONE;
    if (brightness !== ONE || contrast !== ONE || saturation !== ONE)
      change(picture, { brightness, contrast, saturation });
  },
};

interface Factors {
  readonly brightness: number;
  readonly contrast: number;
  readonly saturation: number;
}

/** Saturation is about a pixel's grey, contrast about the mean grey, brightness about black; no sum leaves 32 bits. */
function change({ values, maps, height, width }: Picture, { brightness, contrast, saturation }: Factors): void {
  const pixels = height * width;
  let greys = 0;
  for (let p = 0; p < pixels; p++) greys += greyOf(values, maps, pixels, p);
  const mean = Math.floor((2 * greys + pixels) / (2 * pixels));
  const fromMean = (ONE - contrast) * ONE * mean;
  for (let p = 0; p < pixels; p++) {
    const fromGrey = (ONE - saturation) * greyOf(values, maps, pixels, p);
    for (let at = p; at < maps * pixels; at += pixels) {
      const saturated = saturation * (values[at] as number) + fromGrey;
      const contrasted = (contrast * saturated + fromMean) >> 8;
      const value = (brightness * contrasted + (ONE * ONE) / 2) >> 16;
      values[at] = value < 0 ? 0 : value > 255 ? 255 : value;
    }
  }
}

/** The luma of ITU-R BT.601 in 256ths, rounded. */
function greyOf(values: Picture['values'], maps: number, pixels: number, p: number): number {
  if (maps === 1) return values[p] as number;
  const [red, green, blue] = [values[p] as number, values[p + pixels] as number, values[p + 2 * pixels] as number];
  return (77 * red + 150 * green + 29 * blue + 128) >> 8;
}
