// What the log of a long run takes: bytes, and time to write, to resume and to read.
// npm run bench:log                                          10^8 steps, a line every 1000
// npm run bench:log -- --steps 1000000 --log-every 1         fewer steps, a line each
import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { stepsFile } from '#src/coordinator/run/files.js';
import { readManifest } from '#src/coordinator/run/manifest.js';
import { PartCompressor } from '#src/coordinator/run/part-compressor.js';
import { StepLog } from '#src/coordinator/run/step-log.js';
import { endWithin } from '#src/coordinator/run/step-parts.js';
import { readSteps } from '#src/coordinator/run/step-reader.js';
import { WriteFailures } from '#src/coordinator/run/write-failures.js';
import type { StepRecord } from '#src/coordinator/train/observer.js';
import { dueAt } from '#src/coordinator/train/schedule.js';
import {
  decodeCheckpoint,
  encodeCheckpoint,
  trainingStateOf,
  weightsSha256,
} from '#src/shared/checkpoint/checkpoint.js';
import { checkpointName } from '#src/shared/checkpoint/checkpoint-file.js';
import { modelOf } from '#src/shared/model/registry.js';
import { fileOperations } from '#src/shared/util/replace-file.js';

/** Steps after which the appended lines are waited for, as a run's steps would. */
const BURST = 20_000;
const CLI = fileURLToPath(new URL('../cli/main.js', import.meta.url));

const { values } = parseArgs({
  options: { steps: { type: 'string', default: '100000000' }, 'log-every': { type: 'string', default: '1000' } },
});
const [steps, every] = [Number(values.steps), Number(values['log-every'])];
const folder = mkdtempSync(join(tmpdir(), 'lockstep-long-log-'));
const run = join(folder, 'run');
const log = stepsFile(run);

/** A run of a few steps, whose options are those of a long one. */
function begin(): void {
  const iterations = ['--iterations', String(steps + 1_000_000), '--schedule', 'constant', '--learning-rate', '0.0001'];
  const flags = [...iterations, '--log-every', String(every), '--max-time', '15s', '--out', run];
  execFileSync(process.execPath, [CLI, 'train', ...flags, ...COMMON], { stdio: ['ignore', 'ignore', 'inherit'] });
  rmSync(log);
}

// Steps of more than a millisecond: shorter ones have times ahead of the clock.
const COMMON = ['--data', 'synthetic', '--batch', '256', '--workers', '1', '--log-level', 'warn'];

/** Numbers and digests as those of a run, which hardly compress. */
function recordOf(step: number, taken: Partial<StepRecord>): StepRecord {
  const seconds = (): number => Math.round(1000 * Math.random()) / 1e6;
  const phases = { sample: seconds(), dispatch: seconds(), compute: seconds(), reduce: seconds(), update: seconds() };
  const timings = { at: 1_764_000_000_000 + 2 * step, total: seconds(), phases: { ...phases, wait: seconds() } };
  const update = { loss: Math.random(), accuracy: Math.round(16 * Math.random()) / 16, learningRate: 0.0001 };
  return { step, ...update, gradientNorm: 2 * Math.random(), timings, ...taken };
}

const digest = (): string => randomBytes(32).toString('hex');

/** The log of all steps, and the time that it took. @param last what the line of the last step has */
async function write(config: Parameters<typeof dueAt>[0], last: Partial<StepRecord>): Promise<number> {
  const compressor = new PartCompressor({ log, files: fileOperations, failures: new WriteFailures(console.error) });
  const options = { onNotice: console.error, every, onPart: () => compressor.start() };
  const written = await StepLog.create(log, options);
  const start = performance.now();
  const plain = recordOf(1, {});
  for (let step = 1; step <= steps; step++) {
    const { evaluation, checkpoint, link } = dueAt(config, step);
    const isHashed = evaluation || checkpoint || link;
    const taken = {
      ...(evaluation && { testAccuracy: Math.round(1e4 * Math.random()) / 1e4, testLoss: Math.random() }),
      ...(isHashed && { weightsSha256: digest() }),
      ...(link && { chain: digest() }),
      ...(step === steps && last),
    };
    written.append(isHashed || step % every === 0 ? recordOf(step, taken) : { ...plain, step });
    if (step % BURST === 0) await written.flush();
  }
  await written.close();
  await compressor.idle();
  return (performance.now() - start) / 1000;
}

/** Makes the last checkpoint that of the last step. */
async function makeLast(): Promise<void> {
  const checkpoints = join(run, 'checkpoints');
  const name = readdirSync(checkpoints).sort().at(-1) as string;
  const { config } = await readManifest(run);
  const layout = modelOf(config);
  const checkpoint = decodeCheckpoint(readFileSync(join(checkpoints, name)), name);
  const state = trainingStateOf(checkpoint, layout);
  const chain = digest();
  const bytes = encodeCheckpoint({ ...checkpoint, ...state, layout, step: steps, chain });
  const seconds = await write(config, { weightsSha256: weightsSha256(state.weights), chain });
  writeFileSync(join(checkpoints, checkpointName(steps)), bytes);
  const json = JSON.parse(readFileSync(join(run, 'run.json'), 'utf8'));
  const { result: _, ended: __, chain: ___, ...rest } = json;
  const attempts = [{ ...json.attempts[0], steps, ended: json.ended }];
  writeFileSync(join(run, 'run.json'), JSON.stringify({ ...rest, state: 'running', attempts }));
  print('written in', seconds.toFixed(1), 's, compressed beside that');
}

function print(what: string, figure: string | number, unit: string): void {
  console.log(`${what.padEnd(44)} ${figure} ${unit}`);
}

function megabytes(): number {
  const names = readdirSync(run).filter((name) => name.startsWith('steps.'));
  return names.reduce((sum, name) => sum + statSync(join(run, name)).size, 0) / 1e6;
}

/** Prints the time from the start of a program that resumes the run to its first step. */
async function resume(how: string, port: string): Promise<void> {
  const start = Date.now();
  const args = ['train', '--resume', run, ...COMMON, '--log-every', '1', '--max-time', '12s', '--metrics-port', port];
  execFileSync(process.execPath, [CLI, ...args], { stdio: ['ignore', 'ignore', 'inherit'] });
  const { from = 0 } = (await readManifest(run)).attempts.at(-1) ?? {};
  for await (const { step, timings } of readSteps(log, { fromPart: (await endWithin(log, 0)).part })) {
    if (step <= from) continue;
    print(`resumed ${how}, to the first step`, ((timings.at ?? 0) - start) / 1000, 's');
    break;
  }
}

try {
  begin();
  await makeLast();
  const parts = readdirSync(run).filter((name) => name.startsWith('steps.')).length;
  print(`${steps} steps, a line every ${every}`, `${megabytes().toFixed(0)} MB in ${parts}`, 'files');
  await resume('without the live page', 'off');
  await resume('with the live page', '0');
  const start = performance.now();
  let lines = 0;
  for await (const _ of readSteps(log)) lines++;
  print(`read, all ${lines} lines, as by verify`, ((performance.now() - start) / 1000).toFixed(1), 's');
} finally {
  rmSync(folder, { recursive: true, force: true });
}
