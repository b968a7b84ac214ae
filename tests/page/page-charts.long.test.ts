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
import {
  drawnOn,
  RECORD_DRAWING,
  skip,
  startBrowser,
  type Watched,
  type WatchOptions,
  watch,
} from '../support/browser.ts';
import { Fingers } from '../support/fingers.ts';
import { stepRecord } from '../support/step-record.ts';

const PHONE = { viewport: { width: 400, height: 700 }, hasTouch: true, isMobile: true };

const folder = mkdtempSync(join(tmpdir(), 'lockstep-charts-'));
after(() => rmSync(folder, { recursive: true }));

/** The curves of a made run, which gets ever better and is tested at its end. @param lossAt a step's loss; undefined: what fits */
function madeRun(
  name: string,
  iterations: number,
  lossAt: (step: number) => number | undefined = () => undefined,
): ReportCurves {
  const series = new StepSeries();
  for (let step = 1; step <= iterations; step++) {
    const accuracy = 1 - 1 / (1 + step / 5);
    series.push(pointOf(stepRecord(step, { loss: lossAt(step) ?? 2 * (1 - accuracy), accuracy })));
  }
  const last = 1 - 1 / (1 + iterations / 5);
  const tests = iterations === 0 ? [] : [{ step: iterations, accuracy: last, r2: null, loss: 2 * (1 - last) }];
  return { name, iterations, batch: 8, series: packSeries(series.data, REPORT_QUANTITIES), tests };
}

/** The address of a page with the charts of a report, on the disk. */
function chartsFile(runs: readonly ReportCurves[]): string {
  const file = join(folder, 'charts.html');
  writeFileSync(
    file,
    `<!doctype html><meta charset="utf-8"><meta name="viewport" content="width=device-width"><style>${reportStyle()}</style>
<body class="report"><main><div class="charts" id="charts"></div></main>
<script type="application/json" id="${CURVES_ID}">${JSON.stringify(runs)}</script><script>${reportScript()}</script>`,
  );
  return pathToFileURL(file).href;
}

describe('the charts', { skip }, () => {
  let browser: Browser;
  before(async () => {
    browser = await startBrowser();
  });
  after(() => browser.close());

  function chartsOf(runs: readonly ReportCurves[], options: WatchOptions = {}): Promise<Watched> {
    return watch(browser, chartsFile(runs), options);
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

  test("the validation samples' figures are dots beside the test set's", async () => {
    const point = { step: 20, accuracy: 0.5, r2: null, loss: 0.25 };
    const tests = [{ ...point, validation: { accuracy: 0.75, loss: 0.5 } }];
    const { page, faults } = await chartsOf([{ ...madeRun('run', 20), tests }]);
    const readout = page.locator('#charts output').first();
    assert.match((await readout.textContent()) ?? '', /; circles: test set, dots: validation samples$/);
    assert.match(await readAt(page, 0.999), /^step 20 · .* test 50\.0 % validation 75\.0 %$/);
    assert.deepEqual(faults, []);
    await page.close();
    const without = await chartsOf([madeRun('run', 20)]);
    assert.doesNotMatch((await without.page.locator('#charts output').first().textContent()) ?? '', /dots/);
    await without.page.close();
  });

  test('the last evaluation up to the step under the pointer is shown beside it', async () => {
    const point = { step: 20, accuracy: 0.5, r2: null, loss: 0.25 };
    const tests = [point, { ...point, step: 80, accuracy: 0.75 }];
    const { page } = await chartsOf([{ ...madeRun('run', 100), tests }]);
    assert.doesNotMatch(await readAt(page, 0.1), /test/);
    assert.match(await readAt(page, 0.5), /^step 5\d · \d\d\.\d % test 50\.0 % at 20$/);
    assert.match(await readAt(page, 1), /^step (99|100) · .* test 75\.0 % at 80$/);
    await page.close();
  });

  test('smoothed curves are over the others, and the axis can be one of times', async () => {
    const run = madeRun('run', 100, (step) => 1 + (step % 2));
    const at = (step: number): number => Date.UTC(2026, 4, 4, 10) + 1000 * step;
    const steps = Array.from({ length: 100 }, (_, i) => i + 1);
    const times = { wall: steps.map(at), elapsed: steps.map((step) => 2 * step) };
    const { page, faults } = await chartsOf([{ ...run, series: { ...run.series, times } }], { timezoneId: 'UTC' });
    assert.doesNotMatch(await readAt(page, 0.9, 1), /smoothed/);
    await page.getByLabel('smoothing').fill('0.9');
    // Losses of 1 and 2 take turns.
    assert.match(await readAt(page, 0.9, 1), /^step \d+ · [12] smoothed 1\.[45]\d*/);
    const axis = page.getByRole('combobox');
    await axis.selectOption('elapsed');
    assert.ok(await page.getByLabel('log steps').isHidden());
    assert.match(await readAt(page, 0.5, 1), /^after 1 min 4\d s · step 5\d: /);
    await axis.selectOption('wall');
    assert.match(await readAt(page, 1, 1), /^2026-05-04 10:01:(39|40) · step (99|100): /);
    await drag(page, 0.5, 0.75);
    assert.match(await readAt(page, 0, 1), /^2026-05-04 10:00:5\d · step 5\d: /);
    await axis.selectOption('step');
    assert.match(await readAt(page, 0, 1), /^step [123] · /);
    assert.deepEqual(faults, []);
    await page.close();
    const without = await chartsOf([run]);
    assert.ok(await without.page.locator('.switches select').isHidden());
    await without.page.close();
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
    // uPlot leaves every other label out where there is no room.
    const narrow = await chartsOf([madeRun('short', 10), madeRun('long', 100_000)], {
      viewport: { width: 330, height: 700 },
      script: RECORD_DRAWING,
    });
    const { texts } = await drawnOn(narrow.page);
    const labels = texts.filter((text) => text !== '');
    assert.deepEqual(labels.slice(labels.indexOf('10')).slice(0, 3), ['10', '1,000', '100,000']);
    assert.notEqual(labels[labels.indexOf('10') - 1], '0');
    await narrow.page.close();
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

const { NaN: NOT_A_NUMBER, POSITIVE_INFINITY, NEGATIVE_INFINITY, MAX_VALUE, MIN_VALUE } = Number;
/** Losses that a log may hold, whoever wrote it. */
const LOSSES: Readonly<Record<string, readonly number[]>> = {
  none: [0.5],
  'one that is no number': [NOT_A_NUMBER],
  infinities: [POSITIVE_INFINITY, NEGATIVE_INFINITY],
  'the largest numbers': [MAX_VALUE, 1e308],
  'both ends': [MAX_VALUE, -MAX_VALUE],
  'the smallest numbers': [MIN_VALUE, 0],
  'less than zero': [-1, -1e-300],
};

describe('the charts of losses like no sound run has', { skip }, () => {
  let browser: Browser;
  before(async () => {
    browser = await startBrowser();
  });
  after(() => browser.close());

  for (const [name, losses] of Object.entries(LOSSES)) {
    for (const isAll of [true, false]) {
      test(`${name}, ${isAll ? 'at every step' : 'at single steps'}`, { timeout: 60_000 }, async () => {
        const lossAt = (step: number): number | undefined =>
          isAll || step % 50 === 0 ? losses[(isAll ? step : step / 50) % losses.length] : undefined;
        const file = chartsFile([madeRun('run', 300, lossAt), madeRun('sound', 300)]);
        const { page, faults } = await watch(browser, file, { script: RECORD_DRAWING });
        const scale = page.getByLabel('log scale');
        for (const isLogarithmic of [true, false]) {
          await scale.setChecked(isLogarithmic);
          for (const along of [0, 0.166, 0.5, 1]) assert.match(await readAt(page, along, 1), /^(mean of )?steps? \d/);
        }
        const { texts, broken } = await drawnOn(page);
        assert.deepEqual([broken, faults], [[], []]);
        assert.deepEqual(
          texts.filter((text) => text.includes('.00e')),
          [],
        );
        const words = `${texts.join('\n')}\n${await page.locator('main').innerHTML()}`;
        assert.doesNotMatch(words, /NaN|Infinity|null|undefined/);
        await page.close();
      });
    }
  }

  test('over many powers of ten the lines are told apart', async () => {
    const { page } = await watch(browser, chartsFile([madeRun('run', 300, (step) => (step > 290 ? 1e25 : undefined))]));
    const lines = await pixelsAt(page, { along: 0.4, chart: 1, of: 'tint <= 40' });
    assert.ok(lines > 20 && lines < 60, `${lines} pixels of lines`);
    await page.close();
  });

  test('a step without a finite loss is a gap, and says so', async () => {
    const lossAt = (step: number): number | undefined => (step > 100 && step < 200 ? NOT_A_NUMBER : undefined);
    const { page } = await watch(browser, chartsFile([madeRun('run', 300, lossAt)]));
    assert.match(await readAt(page, 0.2, 1), /^step \d+ · 0\.\d+$/);
    assert.match(await readAt(page, 0.5, 1), /^step 15\d · not finite$/);
    assert.ok((await colouredAt(page, 0.2, 1)) > 0);
    assert.equal(await colouredAt(page, 0.5, 1), 0);
    const label = await page.locator('#charts [role="img"]').nth(1).getAttribute('aria-label');
    assert.match(label ?? '', /^Loss over the steps; mean of the last 100: 0\.\d+\.$/);
    await page.close();
    const last = await watch(browser, chartsFile([madeRun('run', 300, (step) => (step > 290 ? NOT_A_NUMBER : 1))]));
    const of = await last.page.locator('#charts [role="img"]').nth(1).getAttribute('aria-label');
    assert.equal(of, 'Loss over the steps; mean of the last 100: not finite.');
    await last.page.close();
  });
});

/** A place on a chart, 0 to 1 along both axes. */
async function placeIn(page: Page, x: number, y = 0.5, chart = 0): Promise<{ readonly x: number; readonly y: number }> {
  const box = await page.locator('.u-over').nth(chart).boundingBox();
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

/** What a chart says of the step under the mouse. */
async function readAt(page: Page, along: number, chart = 0): Promise<string> {
  const { x, y } = await placeIn(page, 0.004 + 0.992 * along, 0.5, chart);
  await page.mouse.move(x, y);
  return (await page.locator('figcaption output').nth(chart).textContent()) ?? '';
}

/** Pixels of a chart's own colours, neither its grid nor its ground, in a column. */
function colouredAt(page: Page, along: number, chart: number): Promise<number> {
  return pixelsAt(page, { along, chart, of: 'tint > 40' });
}

/** Pixels in a column of a chart. @param of which ones, by the difference between the colours of one */
function pixelsAt(page: Page, { along, chart, of }: { along: number; chart: number; of: string }): Promise<number> {
  return page.evaluate<number>(`(() => {
    const over = document.querySelectorAll('.u-over')[${chart}];
    const canvas = over.parentElement.querySelector('canvas');
    const x = Math.round((canvas.width / canvas.clientWidth) * (over.offsetLeft + ${along} * over.clientWidth));
    const { data } = canvas.getContext('2d').getImageData(x, 0, 1, canvas.height);
    let found = 0;
    for (let i = 0; i < data.length; i += 4) {
      const colour = data.slice(i, i + 3);
      const tint = Math.max(...colour) - Math.min(...colour);
      if (data[i + 3] > 0 && ${of}) found++;
    }
    return found;
  })()`);
}

/** The same by a finger. */
async function tapAt(page: Page, along: number): Promise<string> {
  const { x, y } = await placeIn(page, along);
  await page.touchscreen.tap(x, y);
  return (await page.locator('figcaption output').first().textContent()) ?? '';
}

const firstStepIn = (text: string): number => Number(/steps? ([\d,]+)/.exec(text)?.[1]?.replaceAll(',', ''));
