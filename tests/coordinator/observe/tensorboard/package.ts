import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { text } from 'node:stream/consumers';
import type { TestContext } from 'node:test';
import { fileURLToPath } from 'node:url';

const script = fileURLToPath(
  new URL('../../../../../tests/coordinator/observe/tensorboard/read-events.py', import.meta.url),
);
const python = process.env.TENSORBOARD_PYTHON ?? 'python3';
/** Reading goes by the C++ and Python of other people: time enough for a busy machine. */
const DEADLINE_MS = 120_000;

/** For tests that read with the real package: false, or why they are skipped. */
export const skip =
  process.env.CI === 'true' || spawnSync(python, ['-c', 'import tensorboard']).status === 0
    ? false
    : `${python} has no package tensorboard: pip install it in a venv, and name that one's python by $TENSORBOARD_PYTHON`;

export interface Histogram {
  readonly step: number;
  readonly num: number;
  readonly min: number;
  readonly max: number;
  readonly sum: number;
  readonly sumSquares: number;
  readonly limits: readonly number[];
  readonly buckets: readonly number[];
}

export interface Node {
  readonly name: string;
  readonly op: string;
  readonly inputs: readonly string[];
  readonly shapes: readonly (readonly number[])[];
}

export interface Found {
  /** By tag: step, value, wall time in seconds; 'nan', 'inf' and '-inf' are what isn't finite. */
  readonly scalars: Readonly<Record<string, readonly (readonly [number, number | string, number])[]>>;
  readonly histograms: Readonly<Record<string, readonly Histogram[]>>;
  readonly nodes: readonly Node[];
  readonly warnings: readonly string[];
}

/** What the package's own accumulator reads in a folder. */
export function readEvents(folder: string): Found {
  const options = { encoding: 'utf8', maxBuffer: 1 << 28, timeout: DEADLINE_MS } as const;
  const { error, status, stdout, stderr } = spawnSync(python, [script, folder], options);
  if (error !== undefined) throw error;
  if (status !== 0) throw new Error(`read-events.py: ${stderr}`);
  return JSON.parse(stdout);
}

/** Starts the real server on a free port, until the test ends. @returns its address */
export async function serve(t: TestContext, folder: string): Promise<string> {
  // All points of a scalar: the server samples, by default a thousand of them, and takes 0 at its word.
  const flags = ['--logdir', folder, '--host', '127.0.0.1', '--port', '0', '--samples_per_plugin', 'scalars=100000'];
  const server = spawn(python, ['-m', 'tensorboard.main', ...flags], { stdio: ['ignore', 'ignore', 'pipe'] });
  const ended = once(server, 'close');
  t.after(async () => {
    server.kill();
    await ended;
  });
  let said = '';
  const all = text(
    server.stderr.on('data', (chunk: Buffer) => {
      said += chunk;
      server.emit('said');
    }),
  );
  for (;;) {
    const url = /http:\/\/127\.0\.0\.1:\d+\//.exec(said)?.[0];
    if (url !== undefined) return url;
    if ((await Promise.race([once(server, 'said').then(() => 'said'), ended.then(() => 'ended')])) === 'ended') {
      throw new Error(`The server ended: ${await all}`);
    }
  }
}
