import { readFileSync } from 'node:fs';
import { SharedMemory } from '../../shared/engine/wasm/memory.ts';

/** What the loops have, each of them. */
export const ACCUMULATORS = [8, 10, 12, 14];

type Loops = Readonly<Record<string, (pointer: number, repeats: number) => number>>;

/** The loops of benchmarks/kernel/peak.ts. */
export class Peak {
  readonly #loops: Loops;

  constructor() {
    const { memory } = new SharedMemory();
    const module = new WebAssembly.Module(readFileSync(new URL('../../kernel/peak.wasm', import.meta.url)));
    this.#loops = new WebAssembly.Instance(module, { env: { memory } }).exports as Loops;
  }

  /** GFLOP/s of the loop with so many accumulators, after a warm-up as long. */
  measure(accumulators: number, seconds: number): number {
    const { megaflops, run } = this.task(accumulators);
    let gigaflops = 0;
    for (let pass = 0; pass < 2; pass++) {
      const start = performance.now();
      let calls = 0;
      let elapsed = 0;
      while (elapsed < seconds) {
        run();
        calls++;
        elapsed = (performance.now() - start) / 1000;
      }
      gigaflops = (calls * megaflops) / elapsed / 1e3;
    }
    return gigaflops;
  }

  /** The loop with so many accumulators, to be timed. */
  task(accumulators: number): PeakTask {
    const loop = this.#loops[`peak${accumulators}`];
    if (loop === undefined) throw new Error(`No loop has ${accumulators} accumulators.`);
    const repeats = 100;
    // 64 iterations of a multiplication and an addition in four lanes each.
    return { megaflops: (repeats * 64 * accumulators * 8) / 1e6, run: () => void loop(64, repeats) };
  }
}

export interface PeakTask {
  readonly megaflops: number;
  readonly run: () => void;
}
