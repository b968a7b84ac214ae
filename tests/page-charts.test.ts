import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { pathToFileURL } from 'node:url';
import type { Browser, Page } from 'playwright-core';
import { reportScript, reportStyle } from '#src/report/assets.js';
import { packSeries } from '#src/shared/live/packed-series.js';
import { CURVES_ID, type ReportCurves } from '#src/shared/live/report-curves.js';
import { StepSeries } from '#src/shared/live/series.js';
import { skip, startBrowser, type Watched, watch } from './page/browser.ts';
import { Fingers } from './page/fingers.ts';

const PHONE = { viewport: { width: 400, height: 700 }, hasTouch: true, isMobile: true };

const folder = mkdtempSync(join(tmpdir(), 'lockstep-charts-'));
after(() => rmSync(folder, { recursive: true }));

/** The curves of a made run, which gets ever better and is tested at its end. */
function madeRun(name: string, iterations: number): ReportCurves {
  const series = new StepSeries();
  for (let step = 1; step <= iterations; step++) {
    const accuracy = 1 - 1 / (1 + step / 5);
    series.push({ step, loss: 2 * (1 - accuracy), accuracy, learningRate: 0.003, gradientNorm: 1, seconds: 0.002 });
  }
  const last = 1 - 1 / (1 + iterations / 5);
  const tests = iterations === 0 ? [] : [{ step: iterations, accuracy: last, loss: 2 * (1 - last) }];
  return { name, iterations, batch: 8, series: packSeries(series.data, ['loss', 'accuracy', 'learningRate']), tests };
}

describe('the charts', { skip }, () => {
  let browser: Browser;
  before(async () => {
    browser = await startBrowser();
  });
  after(() => browser.close());

  /** A page with the charts of a report, from the disk. */
  async function chartsOf(runs: readonly ReportCurves[], options: Parameters<typeof watch>[2] = {}): Promise<Watched> {
    const file = join(folder, 'charts.html');
    writeFileSync(
      file,
      `<!doctype html><meta charset="utf-8"><meta name="viewport" content="width=device-width"><style>${reportStyle()}</style>
<body class="report"><main><div class="charts" id="charts"></div></main>
<script type="application/json" id="${CURVES_ID}">${JSON.stringify(runs)}</script><script>${reportScript()}</script>`,
    );
    return watch(browser, pathToFileURL(file).href, options);
  }

  test('a finger across zooms, down the page scrolls, two taps show the whole', async () => {
    const { page, faults } = await chartsOf([madeRun('run', 300)], PHONE);
    const fingers = await Fingers.on(page);
    assert.ok(firstStepIn(await tapAt(page, 0.01)) <= 4);
    await fingers.drag(await placeIn(page, 0.5), await placeIn(page, 0.9, 0.6));
    const zoomed = firstStepIn(await tapAt(page, 0.01));
    assert.ok(zoomed > 140 && zoomed < 165, `begins at step ${zoomed}`);
    assert.equal(await page.evaluate('scrollY'), 0);
    for (let taps = 0; taps < 2; taps++) await tapAt(page, 0.5);
    assert.ok(firstStepIn(await tapAt(page, 0.01)) <= 4);
    const scrolled = page.evaluate<number>(
      "new Promise((resolve) => addEventListener('scrollend', () => resolve(scrollY), { once: true }))",
    );
    await fingers.drag(await placeIn(page, 0.5, 0.6), await placeIn(page, 0.55, 0.2));
    assert.ok((await scrolled) > 40);
    assert.ok(firstStepIn(await tapAt(page, 0.01)) <= 4, 'a finger down the page has zoomed');
    assert.deepEqual(faults, []);
    await page.close();
  });
});

/** A place on the first chart, 0 to 1 along both axes. */
async function placeIn(page: Page, x: number, y = 0.5): Promise<{ readonly x: number; readonly y: number }> {
  const box = await page.locator('.u-over').first().boundingBox();
  assert.ok(box !== null);
  return { x: box.x + x * box.width, y: box.y + y * box.height };
}

/** What the first chart says of the step there. */
async function tapAt(page: Page, along: number): Promise<string> {
  const { x, y } = await placeIn(page, along);
  await page.touchscreen.tap(x, y);
  return (await page.locator('figcaption output').first().textContent()) ?? '';
}

const firstStepIn = (text: string): number => Number(/^steps? ([\d,]+)/.exec(text)?.[1]?.replaceAll(',', ''));
