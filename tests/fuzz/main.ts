// npm run fuzz -- --minutes 10 --seed 1        attacks coordinators at work, without and with TLS, and compares their bits with those of
//                                              an undisturbed run; then runs the commands that read a run on hostile run directories
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { fuzzDirectories } from './directories/fuzz-directories.ts';
import type { Finding } from './directories/lines.ts';
import { fuzz } from './fuzz.ts';
import { directoryText, networkText } from './report.ts';
import { Target } from './target.ts';

const PARTS = ['plain', 'tls', 'directories'] as const;
type Part = (typeof PARTS)[number];

const { values } = parseArgs({
  options: {
    minutes: { type: 'string', default: '10' },
    seed: { type: 'string', default: '1' },
    part: { type: 'string', multiple: true, default: [...PARTS] },
  },
});
const [minutes, seed] = [Number(values.minutes), Number(values.seed)];
const parts = PARTS.filter((part) => values.part.includes(part));
if (!(minutes > 0 && Number.isInteger(seed) && parts.length === values.part.length)) {
  console.error('--minutes: expected a number above 0; --seed: a whole number; --part: plain, tls or directories.');
  process.exit(2);
}

const folder = mkdtempSync(join(tmpdir(), 'lockstep-fuzz-'));
/** The directories get twice the time of each attack: their commands take more of it. */
const SHARES: Record<Part, number> = { plain: 1, tls: 1, directories: 2 };
const shares = parts.reduce((sum, part) => sum + SHARES[part], 0);
const msOf = (part: Part): number => (minutes * 60_000 * SHARES[part]) / shares;

async function attack(part: Part): Promise<string[]> {
  const target = await Target.start(join(folder, part), { tls: part === 'tls' });
  const until = performance.now() + msOf(part);
  let printed = performance.now();
  const onProgress = (frames: number): void => {
    if (performance.now() < printed + 60_000) return;
    printed = performance.now();
    console.error(`${part}: ${frames} frames`);
  };
  try {
    const report = await fuzz({ target, seed, isEnough: () => performance.now() >= until, onProgress });
    return networkText(report, await target.compare());
  } finally {
    target.kill();
  }
}

async function damageDirectories(): Promise<string[]> {
  const until = performance.now() + msOf('directories');
  const report = await fuzzDirectories({
    folder: join(folder, 'directories'),
    seed,
    isEnough: () => performance.now() >= until,
    onFinding: printFinding,
  });
  if (report.findings.length > 0) process.exitCode = 1;
  return directoryText(report);
}

function printFinding({ kind, damage, command, what }: Finding): void {
  console.error(`${kind.toUpperCase()}: ${damage}\n  ${command}\n  ${what.slice(0, 1500).replaceAll('\n', '\n  ')}`);
}

console.error(`Seed ${seed}, ${minutes} minutes, in ${folder}.`);
for (const part of parts) {
  try {
    const lines = part === 'directories' ? await damageDirectories() : await attack(part);
    console.log([`\n${part}, seed ${seed}`, ...lines].join('\n'));
  } catch (error) {
    // What was found is in the error; the other parts are still worth their time.
    process.exitCode = 1;
    console.log(`\n${part}, seed ${seed}: BROKEN\n${(error as Error).stack}`);
  }
}
if (process.exitCode === undefined) rmSync(folder, { recursive: true });
else console.log(`The files are left in ${folder}.`);
