// npm run bench:page        the live page in Chromium during a default run: frames, long tasks; needs MNIST_DIR
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startBrowser, watch } from '../tests/support/browser.ts';
import { DATA, startLockstep } from '../tests/support/program.ts';

/** Text, since it runs in the browser: gaps between frames, and tasks longer than 50 ms. */
const COUNT = `
  window.gaps = []; window.tasks = [];
  let before = performance.now();
  const frame = () => { const now = performance.now(); gaps.push(now - before); before = now; requestAnimationFrame(frame); };
  requestAnimationFrame(frame);
  new PerformanceObserver((list) => tasks.push(...list.getEntries().map(({ duration }) => duration))).observe({ entryTypes: ['longtask'] });
`;

interface Counted {
  readonly gaps: readonly number[];
  readonly tasks: readonly number[];
}

const folder = mkdtempSync(join(tmpdir(), 'lockstep-page-'));
const run = startLockstep(['train', ...DATA, '--metrics-port', '0', '--out', join(folder, 'run')]);
const url = (await run.said(/^Live page/)).split(' ').at(-1) as string;
const browser = await startBrowser();
const { page, faults } = await watch(browser, url, { viewport: { width: 1400, height: 1000 } });
await page.evaluate(COUNT);
await page.locator('#state', { hasText: 'finished' }).waitFor({ timeout: 600_000 });
const { gaps, tasks } = await page.evaluate<Counted>('({ gaps, tasks })');
const sorted = [...gaps].sort((a, b) => a - b);
const at = (share: number): string => `${(sorted[Math.floor(share * (sorted.length - 1))] ?? 0).toFixed(1)} ms`;
const total = tasks.reduce((sum, duration) => sum + duration, 0);
const { stderr } = await run.ended;
console.log(stderr.split('\n').find((line) => line.startsWith('Done')));
console.log(`${gaps.length} frames; between two: median ${at(0.5)}, 99 % below ${at(0.99)}, longest ${at(1)}`);
for (const fault of faults) console.log(fault);
console.log(`${tasks.length} tasks above 50 ms, ${(total / 1000).toFixed(2)} s in all; ${faults.length} faults`);
await browser.close();
rmSync(folder, { recursive: true });
