// npm run fuzz -- --frames 100000 --seed 1        attacks a coordinator at work, and compares its bits with an undisturbed run's
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { type Counts, fuzz } from './fuzz.ts';
import { Target } from './target.ts';

const { values } = parseArgs({
  options: { frames: { type: 'string', default: '100000' }, seed: { type: 'string', default: '1' } },
});
const [frames, seed] = [Number(values.frames), Number(values.seed)];
if (!(Number.isInteger(frames) && frames > 0 && Number.isInteger(seed))) {
  console.error(`--frames and --seed: expected whole numbers, but got ${values.frames} and ${values.seed}.`);
  process.exit(2);
}

const folder = mkdtempSync(join(tmpdir(), 'lockstep-fuzz-'));
const target = await Target.start(join(folder, "x"), { tls: false });
process.on('exit', () => target.kill());
const start = performance.now();
let printed = 0;
const { kinds, memory, badMembers } = await fuzz({
  target,
  isEnough: (n) => n >= frames,
  seed,
  onProgress: (sent) => {
    if (sent < printed + 10_000) return;
    printed = sent;
    console.error(`${sent} frames, ${Math.round((performance.now() - start) / 1000)} s`);
  },
});
const seconds = (performance.now() - start) / 1000;
const { steps, weightsSha256 } = await target.compare();

const byCode = new Map<string, number>();
for (const phase of ['before', 'after']) {
  const all = [...kinds].filter(([kind]) => kind.startsWith(phase)).sort(([a], [b]) => (a < b ? -1 : 1));
  const sum = (what: (counts: Counts) => number): number => all.reduce((total, [, counts]) => total + what(counts), 0);
  console.log(
    `\n${phase} authentication: ${sum((counts) => counts.frames)} frames, ${sum((counts) => counts.connections)} connections`,
  );
  for (const [kind, counts] of all) {
    const endings = [...counts.endings].sort(([, a], [, b]) => b - a);
    for (const [ending, times] of endings) byCode.set(ending, (byCode.get(ending) ?? 0) + times);
    const ends = endings.map(([ending, times]) => `${ending} ${times}`).join(', ');
    console.log(
      `  ${kind.slice(phase.length + 2)}: ${counts.frames} frames, ${counts.connections} connections: ${ends}`,
    );
  }
}
console.log(`\nconnections ended: ${[...byCode].map(([ending, times]) => `${ending} ${times}`).join(', ')}`);
console.log(`${badMembers} members were given work and answered it badly.`);
const mebibytes = Object.entries(memory).map(([when, value]) => `${when} ${Math.round(value)}`);
console.log(`The coordinator's memory in MiB: ${mebibytes.join(', ')}. ${Math.round(seconds)} s.`);
console.log(`After ${steps} steps the weights are those of an undisturbed run: ${weightsSha256}`);
rmSync(folder, { recursive: true });
