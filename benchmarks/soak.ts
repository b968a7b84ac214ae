// npm run soak               memory of a whole default run, as the system sees it; needs MNIST_DIR
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

const STEPS = 10_000;
const EVERY = 1000;

const folder = mkdtempSync(join(tmpdir(), 'lockstep-soak-'));
const cli = fileURLToPath(new URL('../cli/main.js', import.meta.url));
const flags = ['--iterations', String(STEPS), '--workers', '2', '--metrics-port', '0', '--out', join(folder, 'run')];
const run = spawn(process.execPath, [cli, 'train', ...flags], { stdio: ['ignore', 'ignore', 'pipe'] });
const ended = once(run, 'exit');

/** Resident memory of the run in MB; `ps` gives KiB on Linux and macOS. */
function residentMegabytes(): number {
  return (Number(execFileSync('ps', ['-o', 'rss=', '-p', String(run.pid)])) * 1024) / 1e6;
}

async function metricsUrl(): Promise<string> {
  for await (const line of createInterface({ input: run.stderr })) {
    const [, url] = /^Metrics: (\S+)/.exec(line) ?? [];
    if (url !== undefined) return url;
    process.stderr.write(`${line}\n`);
  }
  throw new Error('The run ended without serving metrics.');
}

/** Prints the memory at every thousandth step until the run goes away. */
async function watch(url: string): Promise<void> {
  run.stderr.resume();
  for (let next = EVERY; run.exitCode === null; await setTimeout(50)) {
    const text = await fetch(url).then(
      (response) => response.text(),
      () => '',
    );
    const steps = Number(/^lockstep_steps_total (\d+)/m.exec(text)?.[1] ?? 0);
    if (steps < next || run.exitCode !== null) continue;
    process.stdout.write(`step ${String(steps).padStart(5)}  ${residentMegabytes().toFixed(0)} MB\n`);
    next += EVERY;
  }
}

try {
  await watch(await metricsUrl());
  await ended;
} finally {
  rmSync(folder, { recursive: true, force: true });
}
process.exitCode = run.exitCode ?? 1;
