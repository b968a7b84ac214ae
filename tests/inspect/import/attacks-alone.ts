// Reads every file of attacks.ts, and prints the megabytes that the process has had at most. With a name: that file alone.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { readModelFile } from '#src/inspect/import/read-model.js';
import { ATTACKS } from './attacks.ts';

const [, , wanted] = process.argv;
const folder = mkdtempSync(join(tmpdir(), 'lockstep-attacks-'));
try {
  for (const { name, make } of ATTACKS.filter(({ name }) => wanted === undefined || name === wanted)) {
    const path = make(mkdtempSync(join(folder, 'attack-')));
    const before = performance.now();
    await readModelFile(path).catch(() => undefined);
    if (wanted !== undefined) console.error(name, `${Math.round(performance.now() - before)} ms`);
  }
} finally {
  rmSync(folder, { recursive: true });
}
console.log(Math.ceil(process.resourceUsage().maxRSS / 1024));
