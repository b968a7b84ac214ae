import { ONE } from './geometry.ts';
import type { GeometryKind } from './kind.ts';

export const FLIP: GeometryKind = {
  name: 'flip',
  help: 'every other one mirrored, left to right',
  number: 1,
  stage: 'geometry',
  apply(geometry, _strength, stream) {
    if (stream.below(2) === 1) geometry.multiply([-ONE, 0, 0, ONE]);
  },
};
