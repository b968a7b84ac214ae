import { editedText } from '../../shared/util/edited-text.ts';
import { ModelError } from '../../shared/util/errors.ts';
import { parseJson } from '../../shared/util/json.ts';
import { quoted } from './names.ts';

/** Levels of objects and lists: Keras has a dozen. JSON.stringify and others need a frame of the stack for each. */
const MAX_DEPTH = 64;
/** Objects and lists: Keras has 30 a layer. Each takes a hundred bytes. */
const MAX_PARTS = 200_000;

/** @throws ModelError if the bytes aren't JSON, or if it is nested too deeply */
export function jsonOf(bytes: Uint8Array, source: string): unknown {
  try {
    const text = editedText(bytes);
    checkParts(text);
    return parseJson(text);
  } catch (error) {
    throw new ModelError(`${source}: it can't be read as JSON (${quoted((error as Error).message)}).`, {
      cause: error,
    });
  }
}

export function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Brackets in texts count too: no name has many. @throws SyntaxError */
function checkParts(text: string): void {
  let [depth, parts] = [0, 0];
  for (let i = 0; i < text.length; i++) {
    // { and [ differ in this bit alone, and so do } and ].
    const code = text.charCodeAt(i) | 0x20;
    if (code === 0x7d) depth--;
    if (code !== 0x7b) continue;
    parts++;
    depth++;
    if (depth > MAX_DEPTH) throw new SyntaxError(`more than ${MAX_DEPTH} levels are nested`);
    if (parts > MAX_PARTS) throw new SyntaxError(`more than ${MAX_PARTS} objects and lists`);
  }
}
