import { encode } from 'fast-png';
import type { Picture } from '../activations/map-picture.ts';

/** A picture as a PNG file. */
export function pngOf({ width, height, data }: Picture): Uint8Array {
  return encode({ width, height, data, channels: 4, depth: 8 });
}
