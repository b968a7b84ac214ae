import { encode } from 'fast-png';
import type { Picture } from '../activations/map-picture.ts';

/** A picture as a PNG file. @param text its texts by keyword, such as Software */
export function pngOf({ width, height, data }: Picture, text: Readonly<Record<string, string>> = {}): Uint8Array {
  return encode({ width, height, data, channels: 4, depth: 8, text });
}
