import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { lockState } from '#src/coordinator/run/run-lock.js';
import { readSteps } from '#src/coordinator/run/step-reader.js';
import { uniformStream } from '../support/reference/random.ts';

const CLI = fileURLToPath(new URL('../../cli/main.js', import.meta.url));
const FAULTS = fileURLToPath(new URL('./file-faults.js', import.meta.url));
/** The options of its runs that decide the bits, but for the data. */
export const BITS = { iterations: 240, batch: 16, shardSize: 2 };
const FLAGS = [
  ...['--iterations', `${BITS.iterations}`, '--batch', `${BITS.batch}`, '--shard-size', `${BITS.shardSize}`],
  ...['--checkpoint-every', '20', '--keep', '4'],
];
const MOMENTS = ['before', 'middle', 'after'] as const;
/** No run of so few steps takes longer, unless it hangs. */
const HANG_MS = 600_000;

/** How a coordinator is killed: at one of its file operations, by number or name, or some milliseconds after its start. */
export type Kill =
  | { readonly operation: number | string; readonly moment: (typeof MOMENTS)[number] }
  | { readonly after: number };

/** How runs are started. */
export interface Setting {
  /** The data set, for --data. */
  readonly data: string;
  /** Further options of a new run. */
  readonly flags?: readonly string[];
  /** Modules that are loaded before the program. */
  readonly imports?: readonly string[];
}

/** The data set of all runs, the real digits where they are at hand. */
const DATA = process.env.MNIST_DIR ?? 'synthetic';
/** The jobs whose coordinator is killed: steps over the whole batch, and rounds of replicas. */
export const JOBS = {
  steps: { data: DATA },
  rounds: { data: DATA, flags: ['--replicas', '2', '--sync-every', '6'] },
} as const satisfies Readonly<Record<string, Setting>>;

/** What a killed run is held against. */
export interface Undisturbed extends Setting {
  readonly run: string;
  readonly weightsSha256: string;
  readonly chain: string;
  /** steps.jsonl without timings. */
  readonly steps: readonly string[];
  /** What it did to files, a line each. */
  readonly operations: readonly string[];
  readonly milliseconds: number;
}

export interface Schedule {
  /** One an attempt; the attempt behind the last one ends the run. */
  readonly kills: readonly Kill[];
  /** One an attempt. */
  readonly workers: readonly number[];
}

/** Runs the coordinator undisturbed. */
export async function undisturbed(folder: string, setting: Setting = JOBS.steps): Promise<Undisturbed> {
  const run = join(folder, 'undisturbed');
  const log = join(folder, 'operations');
  const start = performance.now();
  const { stdout } = await attempt(run, { ...setting, workers: 2, env: { FILE_LOG: log } });
  const milliseconds = performance.now() - start;
  const operations = readFileSync(log, 'utf8').trim().split('\n');
  return { ...setting, run, ...resultOf(stdout), steps: await stepsOf(run), operations, milliseconds };
}

/** Schedules of kills: every file operation in turn, at random moments of time, and while a killed run is resumed. */
export function schedules(count: number, seed: number, { operations, milliseconds }: Undisturbed): Schedule[] {
  return Array.from({ length: count }, (_, index) => {
    const uniform = uniformStream(seed + 1000 * index);
    const below = (bound: number): number => Math.floor(((uniform() + 1) / 2) * bound);
    const atOperation = (most: number): Kill => ({
      operation: 1 + below(most),
      moment: MOMENTS[below(MOMENTS.length)] as (typeof MOMENTS)[number],
    });
    const atTime = (): Kill => ({ after: below(Math.ceil(milliseconds)) });
    const first = index % 2 === 0 ? atOperation(operations.length) : atTime();
    // The first operations of an attempt take the lock over and cut the log.
    const again = [[], [atOperation(12)], [atTime()], [atOperation(12), atOperation(operations.length)]];
    const kills = [first, ...(again[below(again.length)] as Kill[])];
    return { kills, workers: Array.from({ length: kills.length + 1 }, () => 1 + below(3)) };
  });
}

/**
 * Carries a schedule out.
 * @param check called with the run once it has ended
 * @returns how often the coordinator was killed: it may have been done before
 * @throws AssertionError where the run didn't come to the undisturbed one's bits
 */
export async function disturb(
  run: string,
  { kills, workers }: Schedule,
  expected: Undisturbed,
  check: (run: string) => void = () => {},
): Promise<number> {
  let killed = 0;
  for (const [index, kill] of kills.entries()) {
    const { signal } = await attempt(run, { ...expected, workers: workers[index] ?? 1, kill });
    if (signal === 'SIGKILL') killed++;
  }
  const { stdout } = await attempt(run, { ...expected, workers: workers.at(-1) ?? 1 });
  assert.deepEqual(resultOf(stdout), { weightsSha256: expected.weightsSha256, chain: expected.chain });
  assert.deepEqual(await stepsOf(run), expected.steps);
  const left = [...readdirSync(run), ...readdirSync(join(run, 'checkpoints'))];
  assert.deepEqual(
    left.filter((name) => /^(step|run\.json).*tmp$/.test(name)),
    [],
  );
  // Stale where it was killed when there was nothing left to do.
  assert.match((await lockState(run)).state, /^(free|stale)$/);
  check(run);
  rmSync(run, { recursive: true });
  return killed;
}

interface Attempt extends Setting {
  readonly workers: number;
  readonly kill?: Kill;
  readonly env?: NodeJS.ProcessEnv;
}

/** Starts a run or resumes it, and waits for its end. @throws AssertionError if it fails or hangs */
async function attempt(
  run: string,
  { data, flags = [], imports = [], workers, kill, env }: Attempt,
): Promise<{ signal: string | null; stdout: string }> {
  const how = existsSync(join(run, 'run.json')) ? ['--resume', run] : ['--out', run, ...FLAGS, ...flags];
  const args = ['train', ...how, '--data', data, '--workers', String(workers), '--metrics-port', 'off', '--json'];
  const fault = kill !== undefined && 'operation' in kill ? { FILE_KILL: `${kill.operation}:${kill.moment}` } : {};
  const { PATH, HOME } = process.env;
  const child = spawn(
    process.execPath,
    [...[FAULTS, ...imports].flatMap((module) => ['--import', module]), CLI, ...args],
    {
      env: { PATH, HOME, LOCKSTEP_LOG_FORMAT: 'text', ...env, ...fault },
      stdio: ['ignore', 'pipe', 'pipe'],
    },
  );
  const timer = setTimeout(() => child.kill('SIGKILL'), kill !== undefined && 'after' in kill ? kill.after : HANG_MS);
  const [stdout, stderr, [code, signal]] = await Promise.all([
    text(child.stdout),
    text(child.stderr),
    once(child, 'exit'),
  ]);
  clearTimeout(timer);
  if (kill === undefined || signal !== 'SIGKILL') {
    assert.equal(code, 0, `${args.join(' ')} ended with ${code ?? signal}:\n${stderr}`);
  }
  return { signal, stdout };
}

function resultOf(stdout: string): Pick<Undisturbed, 'weightsSha256' | 'chain'> {
  const { weightsSha256, chain } = JSON.parse(stdout);
  return { weightsSha256, chain };
}

async function stepsOf(run: string): Promise<string[]> {
  const lines: string[] = [];
  for await (const record of readSteps(join(run, 'steps.jsonl'))) {
    lines.push(JSON.stringify({ ...record, timings: undefined }));
  }
  return lines;
}
