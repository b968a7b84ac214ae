import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after } from 'node:test';
import {
  type Dataset,
  defineDataset,
  defineModel,
  layers,
  type ModelSpec,
  type TrainOptions,
} from '#src/library/index.js';

const SAMPLES = 512;

/** Points of a plane by the sign of their coordinates' product. */
export async function quadrants(): Promise<Dataset> {
  const part = (count: number, phase: number) => {
    const at = Array.from(
      { length: count },
      (_, i) => [Math.sin(12.9 * i + phase), Math.cos(7.7 * i + phase)] as const,
    );
    return { inputs: Float32Array.from(at.flat()), labels: at.map(([x, y]) => Number(x * y > 0)) };
  };
  return defineDataset({
    name: 'quadrants',
    shape: 2,
    classes: ['different', 'equal'],
    train: part(SAMPLES, 0),
    test: part(SAMPLES / 4, 1),
  });
}

export function perceptron(): ModelSpec {
  return defineModel({
    name: 'perceptron',
    input: 2,
    layers: [layers.dense({ units: 16 }), layers.tanh(), layers.dense({ units: 2 })],
  });
}

/** A folder that is removed after the file's tests. */
export function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'lockstep-library-'));
  after(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** A short run of these, in memory but for its directory. */
export async function shortRun(out: string): Promise<TrainOptions> {
  return { data: await quadrants(), model: perceptron(), iterations: 200, learningRate: 0.02, workers: 1, out };
}
