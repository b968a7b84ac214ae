import type { GeometryKind } from './kind.ts';

/** A border of zeros is added on every side, and a part of the old size cut out of that. */
export const CROP: GeometryKind = {
  name: 'crop',
  help: 'cut out of a border of zeros this wide',
  number: 2,
  strength: { default: 4, max: 127, step: 1, unit: 'pixels' },
  stage: 'geometry',
  apply(geometry, pixels, stream) {
    const places = 2 * pixels + 1;
    const cell = stream.below(places * places);
    geometry.move(Math.floor(cell / places) - pixels, (cell % places) - pixels);
  },
};
