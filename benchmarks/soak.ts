// npm run soak                                   memory of a whole default run, as the system sees it; needs MNIST_DIR
// npm run soak -- --minutes 20 --kill-every 10   the same over a time, with a worker killed every 10 seconds
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

const STEPS = 10_000;
const EVERY = 1000;

const { values } = parseArgs({ options: { minutes: { type: 'string' }, 'kill-every': { type: 'string' } } });
const minutes = values.minutes === undefined ? undefined : Number(values.minutes);
const killEvery = values['kill-every'];

const folder = mkdtempSync(join(tmpdir(), 'lockstep-soak-'));
const cli = fileURLToPath(new URL('../cli/main.js', import.meta.url));
const kills = fileURLToPath(new URL('../tests/chaos/worker-kills.js', import.meta.url));
// Steps enough for the time: at a constant rate, or the last ones would change nothing.
const length =
  minutes === undefined ? [String(STEPS)] : ['4000000000', '--schedule', 'constant', '--learning-rate', '0.001'];
const flags = ['--iterations', ...length, '--workers', '2', '--metrics-port', '0', '--out', join(folder, 'run')];
const run = spawn(process.execPath, [...(killEvery === undefined ? [] : ['--import', kills]), cli, 'train', ...flags], {
  stdio: ['ignore', 'ignore', 'pipe'],
  env: { ...process.env, LOCKSTEP_LOG_FORMAT: 'text', KILL_SECONDS: killEvery },
});
const ended = once(run, 'exit');
let lost = 0;

/** Resident memory of the run in MB; `ps` gives KiB on Linux and macOS. */
function residentMegabytes(): number {
  return (Number(execFileSync('ps', ['-o', 'rss=', '-p', String(run.pid)])) * 1024) / 1e6;
}

/** Open files of the run, where the system shows them as a folder. */
function openFiles(): number | undefined {
  try {
    return readdirSync(`/proc/${run.pid}/fd`).length;
  } catch {
    return undefined;
  }
}

async function metricsUrl(): Promise<string> {
  const lines = createInterface({ input: run.stderr });
  const url = new Promise<string>((resolve, reject) => {
    lines.on('line', (line) => {
      const [, found] = /^Metrics: (\S+)/.exec(line) ?? [];
      if (found !== undefined) resolve(found);
      if (/^Worker \d+ was lost/.test(line)) lost++;
    });
    lines.on('close', () => reject(new Error('The run ended without serving metrics.')));
  });
  return url;
}

async function stepsDone(url: string): Promise<number> {
  const text = await fetch(url).then(
    (response) => response.text(),
    () => '',
  );
  return Number(/^lockstep_steps_total (\d+)/m.exec(text)?.[1] ?? 0);
}

function report(steps: number, rate: string): void {
  const files = openFiles();
  const shown = files === undefined ? '' : `  ${files} open files`;
  const kills = killEvery === undefined ? '' : `  ${lost} workers lost`;
  process.stdout.write(
    `step ${String(steps).padStart(7)}  ${residentMegabytes().toFixed(0)} MB${shown}${rate}${kills}\n`,
  );
}

/** Prints the figures at every thousandth step until the run goes away. */
async function watchSteps(url: string): Promise<void> {
  for (let next = EVERY; run.exitCode === null; await setTimeout(50)) {
    const steps = await stepsDone(url);
    if (steps < next || run.exitCode !== null) continue;
    report(steps, '');
    next += EVERY;
  }
}

/** Prints the figures every minute, then stops the run. */
async function watchMinutes(url: string, count: number): Promise<void> {
  let before = await stepsDone(url);
  for (let minute = 0; minute < count; minute++) {
    const start = performance.now();
    await setTimeout(60_000);
    const steps = await stepsDone(url);
    report(steps, `  ${((1000 * (steps - before)) / (performance.now() - start)).toFixed(0)} steps/s`);
    before = steps;
  }
  run.kill('SIGTERM');
}

try {
  const url = await metricsUrl();
  await (minutes === undefined ? watchSteps(url) : watchMinutes(url, minutes));
  await ended;
} finally {
  rmSync(folder, { recursive: true, force: true });
}
process.exitCode = minutes !== undefined && run.exitCode === 143 ? 0 : (run.exitCode ?? 1);
