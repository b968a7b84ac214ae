import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { BackendError } from '#src/shared/util/errors.js';
import type { Job, Measured, Trainer } from './trainer.ts';

const PYTHON = process.env.PYTORCH_PYTHON || 'python3';
const SCRIPT = fileURLToPath(new URL('../../../benchmarks/peers/networks.py', import.meta.url));
const MEMORY_FORMATS = ['channels_first', 'channels_last'] as const;

/** Why PyTorch can't take part; undefined if it can. */
export async function pytorchProblem(): Promise<string | undefined> {
  const child = spawn(PYTHON, ['-c', 'import torch'], { stdio: 'ignore' });
  const status = await new Promise((resolve) => child.once('exit', resolve).once('error', resolve));
  if (status === 0) return undefined;
  return `${PYTHON} doesn't import PyTorch. Run \`pip install torch\`, and name that Python in PYTORCH_PYTHON.`;
}

/** The same layers in PyTorch, in a process of its own; one for each order of maps and positions, of which the faster counts. */
export function pytorchTrainers({ layout, train, batch, learningRate }: Job): Trainer[] {
  const child = spawn(PYTHON, [SCRIPT], { stdio: ['pipe', 'pipe', 'inherit'] });
  // If it has ended, it has printed why.
  child.stdin.on('error', () => {});
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const layers = layout.layers.map(({ spec, inputs: [shape] }) => ({ ...spec, shape }));
  child.stdin.write(
    `${JSON.stringify({ layers, ...layout.input, parameters: layout.trainable, count: train.count, batch, learningRate })}\n`,
  );
  for (const { buffer, byteOffset, byteLength } of [train.inputs, train.targets])
    child.stdin.write(new Uint8Array(buffer, byteOffset, byteLength));
  return MEMORY_FORMATS.map((format) => ({
    name: `PyTorch, ${format}`,
    async measure(steps) {
      child.stdin.write(`${format} ${steps}\n`);
      const { value, done } = await lines.next();
      if (done) throw new BackendError(`PyTorch doesn't train ${layout.spec.name}; it has printed why.`);
      return JSON.parse(value) as Measured;
    },
    close() {
      child.stdin.end();
    },
  }));
}
