// A run to verify, and copies of it with something changed.
import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { after, before } from 'node:test';
import { fileURLToPath } from 'node:url';
import { readManifest } from '#src/coordinator/run/manifest.js';
import type { Verification } from '#src/library/verify/result.js';
import { type VerificationOptions, verifyRun } from '#src/library/verify/verification.js';
import {
  type Checkpoint,
  decodeCheckpoint,
  encodeCheckpoint,
  trainingStateOf,
} from '#src/shared/checkpoint/checkpoint.js';
import { checkpointName } from '#src/shared/checkpoint/checkpoint-file.js';
import { syntheticDataset } from '#src/shared/data/sources/synthetic.js';
import { SharedMemory } from '#src/shared/engine/wasm/memory.js';
import { layoutOf } from '#src/shared/model/layout.js';
import { lenet5 } from '../../support/models.ts';

type Line = Record<string, unknown>;
export type State = Parameters<typeof encodeCheckpoint>[0];

const MAIN = fileURLToPath(new URL('../../../cli/main.js', import.meta.url));
const ENV = { PATH: process.env.PATH, HOME: process.env.HOME, LOCKSTEP_LOG_FORMAT: 'text' };
const TRAIN = ['--batch', '16', '--workers', '2', '--data', 'synthetic', '--metrics-port', 'off'];
export const INTERVALS = ['--checkpoint-every', '20', '--evaluate-every', '25', '--hash-every', '10'];

export const folder = mkdtempSync(join(tmpdir(), 'lockstep-verify-'));
after(() => rmSync(folder, { recursive: true }));
/** A run of 60 steps, trained before the tests. */
export const intact = join(folder, 'intact');
export const dataset = syntheticDataset();
export const layout = layoutOf(lenet5('softmax'));

export function lockstep(...args: string[]) {
  return spawnSync(process.execPath, [MAIN, ...args], { cwd: folder, encoding: 'utf8', env: ENV });
}

export function train(...args: string[]): void {
  const { status, stderr } = lockstep('train', ...TRAIN, ...args);
  assert.equal(status, 0, stderr);
}

/** Sends SIGTERM at the first line about a step. */
export async function trainUntilStopped(...args: string[]): Promise<void> {
  const child = spawn(process.execPath, [MAIN, 'train', ...args], {
    cwd: folder,
    env: ENV,
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  const exit = once(child, 'exit');
  let isAsked = false;
  for await (const line of createInterface(child.stderr)) {
    // Once: a second signal might meet a process at its end, which has no handlers any more.
    if (!isAsked && line.startsWith('step ')) isAsked = child.kill('SIGTERM');
  }
  assert.deepEqual(await exit, [143, null]);
}

let copies = 0;

/** A copy of a run, which tests alter. */
export function copyOf(run: string): string {
  const copy = join(folder, `copy-${++copies}`);
  cpSync(run, copy, { recursive: true });
  return copy;
}

export function linesOf(run: string): string[] {
  return readFileSync(join(run, 'steps.jsonl'), 'utf8').trimEnd().split('\n');
}

export function writeLines(run: string, lines: readonly string[]): void {
  writeFileSync(join(run, 'steps.jsonl'), lines.map((line) => `${line}\n`).join(''));
}

/** Changes one step's line. @returns the original line */
export function changeLine(run: string, step: number, change: (line: Line) => Line): Line {
  const lines = linesOf(run);
  const line = JSON.parse(lines[step - 1] as string) as Line;
  writeLines(run, lines.with(step - 1, JSON.stringify(change(line))));
  return line;
}

export function changeManifest(run: string, change: (manifest: Line) => Line): void {
  const file = join(run, 'run.json');
  writeFileSync(file, JSON.stringify(change(JSON.parse(readFileSync(file, 'utf8')))));
}

/** Changes run.json to what it is if the run's only process is killed before its end. */
export function asKilled(run: string): void {
  changeManifest(run, ({ ended: _, chain: __, result: ___, attempts, ...manifest }) => {
    const [{ ended: ____, steps: _____, ...attempt }] = attempts as [Line];
    return { ...manifest, state: 'running', attempts: [attempt] };
  });
}

export function checkpointOf(run: string, step: number): string {
  return join(run, 'checkpoints', checkpointName(step));
}

/** Replaces a checkpoint by another state with a correct digest: the file by itself is valid. */
export function forge(run: string, step: number, change: (state: State) => Partial<State>): void {
  const file = checkpointOf(run, step);
  const checkpoint: Checkpoint = decodeCheckpoint(readFileSync(file), file);
  const state: State = { ...checkpoint, ...trainingStateOf(checkpoint, layout), layout };
  writeFileSync(file, encodeCheckpoint({ ...state, ...change(state) }));
}

export function flipBit(file: string): void {
  const bytes = readFileSync(file);
  const middle = bytes.length >> 1;
  bytes[middle] = (bytes[middle] as number) ^ 1;
  writeFileSync(file, bytes);
}

/** All spans, by one worker. */
export async function verify(run: string, options: Partial<VerificationOptions> = {}): Promise<Verification> {
  return verifyRun({
    ...{ run, dataset, manifest: await readManifest(run), spans: Number.POSITIVE_INFINITY, workers: 1 },
    ...{ memory: new SharedMemory(), print: () => {}, show: () => {} },
    ...options,
  });
}

export function firstOf({ recomputed }: Verification, to: number) {
  return recomputed.spans.find((span) => span.to === to)?.first;
}

before(() => train('--iterations', '60', ...INTERVALS, '--schedule', 'constant', '--out', intact));
