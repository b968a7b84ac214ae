import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

/** Bytes of buffers behind which they are collected: far fewer than the engine bears. */
const MAX_BYTES = 2e6;

/**
 * Has the engine free buffers that messages came in, or pieces of a file, while they are young, in half a millisecond. Left alone, it takes some 32 MB
 * of them for a reason to mark its whole heap: 20 ms, twice a second, in which a coordinator dispatches no work. What a file leaves stays with the
 * process: 46 MB after reading MNIST.
 */
export class YoungGarbage {
  readonly #maxBytes: number;
  #bytes = 0;
  #collect: ((options: { readonly type: 'minor' }) => void) | undefined;

  /** @param maxBytes that are left before they are collected */
  constructor(maxBytes = MAX_BYTES) {
    this.#maxBytes = maxBytes;
  }

  /** So many bytes came, and are of no use any more. */
  add(bytes: number): void {
    this.#bytes += bytes;
    if (this.#bytes < this.#maxBytes) return;
    this.#bytes = 0;
    this.#collect ??= collector();
    this.#collect({ type: 'minor' });
  }
}

/**
 * Has young generations stay as large as they are by now. What a run makes dies young, but V8 takes what happens to live at a collection for a reason to
 * double them: on Node 24 up to 64 MB for each isolate, some minutes into a run.
 */
export function keepYoungSmall(): void {
  setFlagsFromString('--semi-space-growth-factor=1');
}

/** Frees what can't be reached any more, at once: a large array counts for little with the engine, which would keep it for long. */
export function collectGarbage(): void {
  collector()({ type: 'major' });
}

function collector(): (options: { readonly type: 'minor' | 'major' }) => void {
  setFlagsFromString('--expose-gc');
  return runInNewContext('gc');
}
