import type { ValueKind } from './kind.ts';

/** T. DeVries, G. Taylor, "Improved regularization of convolutional neural networks with cutout", 2017. The square's middle lies in the picture. */
export const CUTOUT: ValueKind = {
  name: 'cutout',
  help: 'a square with this side set to 0',
  number: 7,
  strength: { default: 8, max: 65_535, step: 1, unit: 'pixels' },
  stage: 'after',
  apply({ values, maps, height, width }, side, stream) {
    const top = stream.below(height) - Math.floor(side / 2);
    const left = stream.below(width) - Math.floor(side / 2);
    const [begin, end] = [Math.max(0, left), Math.min(width, left + side)];
    for (let map = 0; map < maps; map++)
      for (let y = Math.max(0, top); y < Math.min(height, top + side); y++) {
        const row = (map * height + y) * width;
        if (begin < end) values.fill(0, row + begin, row + end);
      }
  },
};
