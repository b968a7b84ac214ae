// npm run chaos -- --schedules 220 --seed 1        kills a coordinator by SIGKILL, resumes it, and compares the bits
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { disturb, schedules, undisturbed } from './coordinator.ts';

const AT_ONCE = 2;

const { values } = parseArgs({
  options: { schedules: { type: 'string', default: '220' }, seed: { type: 'string', default: '1' } },
});
const [count, seed] = [Number(values.schedules), Number(values.seed)];
if (!(Number.isInteger(count) && count > 0 && Number.isInteger(seed))) {
  console.error(`--schedules and --seed: expected whole numbers, but got ${values.schedules} and ${values.seed}.`);
  process.exit(2);
}

const folder = mkdtempSync(join(tmpdir(), 'lockstep-chaos-'));
const expected = await undisturbed(folder);
const queue = [...schedules(count, seed, expected).entries()];
let kills = 0;
let failed = 0;

async function work(): Promise<void> {
  for (let next = queue.shift(); next !== undefined; next = queue.shift()) {
    const [index, schedule] = next;
    try {
      kills += await disturb(join(folder, String(index)), schedule, expected);
    } catch (error) {
      failed++;
      console.error(`FAILED: schedule ${index} of --seed ${seed}: ${JSON.stringify(schedule)}\n${error}`);
      console.error(`Its run directory stays in ${join(folder, String(index))}.`);
    }
  }
}

await Promise.all(Array.from({ length: AT_ONCE }, work));
console.log(`${count} schedules, the coordinator was killed ${kills} times; ${failed} ended with other bits.`);
if (failed === 0) rmSync(folder, { recursive: true });
process.exitCode = failed === 0 ? 0 : 1;
