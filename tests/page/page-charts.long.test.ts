import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { pathToFileURL } from 'node:url';
import type { Browser, Page } from 'playwright-core';
import { reportScript, reportStyle } from '#src/inspect/report/assets.js';
import { packSeries } from '#src/shared/live/packed-series.js';
import { CURVES_ID, REPORT_QUANTITIES, type ReportCurves } from '#src/shared/live/report-curves.js';
import { pointOf, StepSeries } from '#src/shared/live/series.js';
import { skip, startBrowser, type Watched, watch } from '../support/browser.ts';
import { Fingers } from '../support/fingers.ts';
import { stepRecord } from '../support/step-record.ts';

const PHONE = { viewport: { width: 400, height: 700 }, hasTouch: true, isMobile: true };

const folder = mkdtempSync(join(tmpdir(), 'lockstep-charts-'));
after(() => rmSync(folder, { recursive: true }));

/** The curves of a made run, which gets ever better and is tested at its end. */
function madeRun(name: string, iterations: number): ReportCurves {
  const series = new StepSeries();
  for (let step = 1; step <= iterations; step++) {
    const accuracy = 1 - 1 / (1 + step / 5);
    series.push(pointOf(stepRecord(step, { loss: 2 * (1 - accuracy), accuracy })));
  }
  const last = 1 - 1 / (1 + iterations / 5);
  const tests = iterations === 0 ? [] : [{ step: iterations, accuracy: last, loss: 2 * (1 - last) }];
  return { name, iterations, batch: 8, series: packSeries(series.data, REPORT_QUANTITIES), tests };
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

  test('runs whose lengths differ by more than ten times have a logarithmic axis of steps', async () => {
    const { page, faults } = await chartsOf([madeRun('short', 100), madeRun('long', 10_000)]);
    const axis = page.getByLabel('log steps');
    assert.ok(await axis.isChecked());
    // Half of four powers of ten.
    assert.match(await readAt(page, 0.5), /^step (9\d|10\d) · .* · /);
    assert.deepEqual(await stepLabels(page), ['1', '10', '100', '1,000', '10,000']);
    await drag(page, 0.5, 0.75);
    const zoomed = firstStepIn(await readAt(page, 0));
    assert.ok(zoomed > 85 && zoomed < 115, `begins at step ${zoomed}`);
    await page.locator('#charts [role="img"]').first().focus();
    await page.keyboard.press('ArrowRight');
    const moved = firstStepIn(await readAt(page, 0));
    assert.ok(moved > 150 && moved < 215, `begins at step ${moved}`);
    await page.keyboard.press('0');
    await axis.uncheck();
    const middle = firstStepIn(await readAt(page, 0.5));
    assert.ok(middle > 4900 && middle < 5100, `the middle is at step ${middle}`);
    assert.deepEqual(faults, []);
    await page.close();
    const alike = await chartsOf([madeRun('short', 100), madeRun('long', 1000)]);
    assert.ok(!(await alike.page.getByLabel('log steps').isChecked()));
    await alike.page.close();
  });

  test('a value that is a mean says of which steps', async () => {
    const { page } = await chartsOf([madeRun('run', 10_000)]);
    assert.match(await readAt(page, 0.5), /^mean of steps 4,993 to 5,024 · 99\.9 % /);
    await page.close();
  });

  test('the close-up is there for a run that is worth one, and on where it hides none', async () => {
    for (const [lengths, isOn] of [
      [[100], undefined],
      [[100, 10_000], false],
      [[10_000], true],
    ] as const) {
      const { page } = await chartsOf(lengths.map((steps) => madeRun(`run ${steps}`, steps)));
      const box = page.getByLabel('from 90 %');
      assert.equal((await box.count()) === 0 ? undefined : await box.isChecked(), isOn, lengths.join());
      await page.close();
    }
  });

  test('a log without steps has each label once', async () => {
    const { page, faults } = await chartsOf([madeRun('empty', 0)]);
    assert.equal(await page.locator('figcaption output').first().textContent(), 'no steps');
    assert.deepEqual(await stepLabels(page), ['1', '2']);
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

async function drag(page: Page, from: number, to: number): Promise<void> {
  const [start, end] = [await placeIn(page, from), await placeIn(page, to)];
  await page.mouse.move(start.x, start.y);
  await page.mouse.down();
  await page.mouse.move(end.x, end.y, { steps: 4 });
  await page.mouse.up();
}

/** The labels along the first chart's steps, which are drawn behind the axis' name and before the accuracies. */
async function stepLabels(page: Page): Promise<string[]> {
  const said = await page.evaluate<string[]>(`new Promise((resolve) => {
    const { prototype } = CanvasRenderingContext2D;
    const { fillText } = prototype;
    const said = [];
    prototype.fillText = function (text, ...place) { said.push(text); fillText.call(this, text, ...place); };
    dispatchEvent(new Event('beforeprint'));
    requestAnimationFrame(() => { prototype.fillText = fillText; resolve(said); });
  })`);
  const first = said.indexOf('step') + 1;
  return said.slice(
    first,
    said.findIndex((text) => text.endsWith('%')),
  );
}

/** What the first chart says of the step under the mouse. */
async function readAt(page: Page, along: number): Promise<string> {
  const { x, y } = await placeIn(page, 0.004 + 0.992 * along);
  await page.mouse.move(x, y);
  return (await page.locator('figcaption output').first().textContent()) ?? '';
}

/** The same by a finger. */
async function tapAt(page: Page, along: number): Promise<string> {
  const { x, y } = await placeIn(page, along);
  await page.touchscreen.tap(x, y);
  return (await page.locator('figcaption output').first().textContent()) ?? '';
}

const firstStepIn = (text: string): number => Number(/steps? ([\d,]+)/.exec(text)?.[1]?.replaceAll(',', ''));
