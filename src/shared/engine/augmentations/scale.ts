import { ONE } from './geometry.ts';
import { type GeometryKind, symmetric } from './kind.ts';

/** A pixel reads at a distance from the middle that is changed by up to so many percent: by 10 %, pictures become 0.91 to 1.11 times as large. */
export const SCALE: GeometryKind = {
  name: 'scale',
  help: 'width and height each stretched or shrunk by up to this',
  number: 4,
  strength: { default: 10, max: 90, step: 1, unit: 'percent' },
  needsBytes: true,
  stage: 'geometry',
  apply(geometry, percent, stream) {
    const bound = Math.floor((percent * ONE) / 100);
    const x = ONE + symmetric(stream, bound);
    const y = ONE + symmetric(stream, bound);
    geometry.multiply([x, 0, 0, y]);
  },
};
