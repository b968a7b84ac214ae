import { ONE } from './geometry.ts';
import { type GeometryKind, symmetric } from './kind.ts';

/** Terms of the continued fraction of the tangent: more than float64 can tell apart up to 45 degrees. */
const TERMS = 10;

/**
 * The angle is drawn by the tangent of its half, from which sine and cosine follow by divisions: engines differ in theirs.
 * Small angles are as likely as large ones, nearly.
 */
export const ROTATE: GeometryKind = {
  name: 'rotate',
  help: 'turned either way by up to this',
  number: 3,
  strength: { default: 10, max: 90, step: 1, unit: 'degrees' },
  needsBytes: true,
  stage: 'geometry',
  apply(geometry, degrees, stream) {
    const t = symmetric(stream, halfTangent(degrees));
    const [square, whole] = [t * t, ONE * ONE + t * t];
    const cosine = quotient(ONE * (ONE * ONE - square), whole);
    const sine = quotient(2 * ONE * ONE * t, whole);
    geometry.multiply([cosine, sine, -sine, cosine]);
  },
};

/** tan(degrees / 2) in units of 1 / ONE, rounded to the nearest: Lambert's continued fraction, x / (1 - x² / (3 - x² / (5 - …))). */
export function halfTangent(degrees: number): number {
  const x = (degrees * Math.PI) / 360;
  let rest = 2 * TERMS + 1;
  for (let term = 2 * TERMS - 1; term > 0; term -= 2) rest = term - (x * x) / rest;
  return Math.floor((ONE * x) / rest + 0.5);
}

/** a / b rounded to the nearest whole number, a half upwards; exact, since a and b are below 2^50. */
function quotient(a: number, b: number): number {
  return Math.floor((2 * a + b) / (2 * b));
}
