// node --expose-gc many-trainings.js FOLDER: a hundred short trainings; prints what this process holds after 10, 55 and 100 of them.
import { readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import { type Dataset, defineDataset, defineModel, layers, train } from '#src/library/index.js';

const RUNS = 100;
const LOOKS = [10, 55, 100];

export interface Resources {
  readonly threads: number;
  /** Open file descriptors. */
  readonly handles: number;
  /** Of this process' events, such as signals, beside those that it had at first. */
  readonly listeners: number;
  /** What keeps the event loop. */
  readonly active: readonly string[];
  /** Of the heap and of buffers. */
  readonly bytes: number;
  /** Of the whole process: shared memory too. */
  readonly resident: number;
}

function listeners(): number {
  return process.eventNames().reduce((sum, event) => sum + process.listenerCount(event), 0);
}

/** Node's own. */
const listenersBefore = listeners();

async function resources(): Promise<Resources> {
  // Closed handles go in the loop's next turns, and buffers after the objects that hold them.
  for (let i = 0; i < 5; i++) {
    await setImmediate();
    globalThis.gc?.();
  }
  const { heapUsed, external, rss } = process.memoryUsage();
  return {
    threads: readdirSync('/proc/self/task').length,
    handles: readdirSync('/proc/self/fd').length,
    listeners: listeners() - listenersBefore,
    active: process
      .getActiveResourcesInfo()
      .filter((kind) => kind !== 'PipeWrap')
      .sort(),
    bytes: heapUsed + external,
    resident: rss,
  };
}

async function points(): Promise<Dataset> {
  const inputs = Float32Array.from({ length: 128 }, (_, i) => Math.sin(12.9 * i));
  const labels = Array.from({ length: 64 }, (_, i) => Number((inputs[2 * i] as number) > 0));
  return defineDataset({ shape: 2, classes: 2, train: { inputs, labels }, test: { inputs, labels } });
}

const folder = process.argv[2] as string;
const data = await points();
const model = defineModel({
  input: 2,
  layers: [layers.dense({ units: 8 }), layers.tanh(), layers.dense({ units: 2 })],
});
for (let run = 1; run <= RUNS; run++) {
  const out = join(folder, `run-${run}`);
  // Every fifth one serves metrics and its page too.
  const metricsPort = run % 5 === 0 ? 0 : 'off';
  await train({ data, model, iterations: 10, workers: 2, out, metricsPort }, { onStep: () => {} });
  rmSync(out, { recursive: true });
  if (LOOKS.includes(run)) console.log(JSON.stringify(await resources()));
}
