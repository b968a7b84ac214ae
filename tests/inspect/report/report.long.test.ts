import assert from 'node:assert/strict';
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { watch as watchFolder } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { pathToFileURL } from 'node:url';
import type { Browser, Page } from 'playwright-core';
import { unpackSeries } from '#src/shared/live/packed-series.js';
import { CURVES_ID, type ReportCurves } from '#src/shared/live/report-curves.js';
import { skip as noBrowser, startBrowser, watch } from '../../support/browser.ts';
import { DATA, lockstep, startLockstep } from '../../support/program.ts';
import { skip } from '../../support/real-images.ts';
import { at } from '../../support/reference/arrays.ts';

const TEST_IMAGES = 10_000;
const MAX_BYTES = 5e6;

const folder = mkdtempSync(join(tmpdir(), 'lockstep-report-'));
after(() => rmSync(folder, { recursive: true }));

interface Result {
  readonly report: string;
  readonly bytes: number;
  readonly dataset: string;
  readonly snapshots: { title: string; step: number; testAccuracy: number; mistakes: number; weightsSha256: string }[];
}

function train(name: string, data: readonly string[], ...flags: readonly string[]): string {
  const run = join(folder, name);
  const usual = ['--workers', '1', '--metrics-port', 'off', '--out', run];
  const { status, stderr } = lockstep(['train', ...data, ...usual, ...flags]);
  assert.equal(status, 0, stderr);
  return run;
}

function report(args: readonly string[], data = DATA): Result {
  const { status, stdout, stderr } = lockstep(['report', ...args, ...data, '--json']);
  assert.equal(status, 0, stderr);
  return JSON.parse(stdout);
}

function refused(args: readonly string[], message: RegExp): void {
  const { status, stdout, stderr } = lockstep(['report', ...args, ...DATA]);
  assert.match(stderr, message);
  assert.equal(status, 2);
  assert.equal(stdout, '');
}

async function checkpointIn(run: string): Promise<void> {
  const checkpoints = join(run, 'checkpoints');
  mkdirSync(checkpoints, { recursive: true });
  for await (const { filename } of watchFolder(checkpoints)) {
    if (filename?.endsWith('.safetensors')) return;
  }
}

function curvesIn(file: string): ReportCurves[] {
  const [, json = ''] = readFileSync(file, 'utf8').split(`id="${CURVES_ID}">`);
  return JSON.parse(json.slice(0, json.indexOf('</script>')));
}

/** A confusion matrix as the page shows it. */
async function confusionOn(page: Page, index: number): Promise<number[][]> {
  const rows = await page.locator('table.confusion').nth(index).locator('tr').all();
  const cells = await Promise.all(rows.slice(1).map((row) => row.locator('td').allTextContents()));
  return cells.map((row) => row.map(Number));
}

/** The classes of what is wider than its place, each once. */
function scrolledOn(page: Page): Promise<string[]> {
  return page.evaluate<string[]>(`[...new Set([...document.querySelectorAll('.scroll')]
    .filter((element) => element.scrollWidth > element.clientWidth + 1)
    .map((element) => element.firstElementChild.getAttribute('class')))]`);
}

/** What the first chart's line of text says of the step under the pointer, at a place from 0 to 1 of its width. */
async function readAt(page: Page, place: number): Promise<string> {
  await pointAt(page, place);
  return (await page.locator('figcaption output').first().textContent()) ?? '';
}

async function pointAt(page: Page, place: number): Promise<void> {
  const over = page.locator('.u-over').first();
  await over.scrollIntoViewIfNeeded();
  const box = await over.boundingBox();
  assert.ok(box !== null);
  await page.mouse.move(box.x + 2 + place * (box.width - 4), box.y + box.height / 2);
}

const stepIn = (readout: string): number => Number(/^step ([\d,]+)/.exec(readout)?.[1]?.replaceAll(',', ''));
const sum = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0);

describe('the report of a run on MNIST', { skip }, () => {
  let run: string;
  let result: Result;
  let browser: Browser | undefined;
  before(async () => {
    run = train('soft', DATA, '--iterations', '200');
    result = report([run]);
    if (noBrowser === false) browser = await startBrowser();
  });
  after(() => browser?.close());

  test('is one small file with the first snapshot and the last', () => {
    assert.equal(result.report, join(run, 'report.html'));
    assert.equal(result.dataset, 'mnist');
    assert.equal(statSync(result.report).size, result.bytes);
    assert.ok(result.bytes < MAX_BYTES, `${result.bytes} bytes`);
    assert.deepEqual(
      result.snapshots.map(({ step }) => step),
      [100, 200],
    );
    assert.doesNotMatch(readFileSync(result.report, 'utf8'), /(src|href)="(?!data:|#)/);
  });

  test('shows what evaluate finds', { skip: noBrowser }, async () => {
    const { page, faults } = await watch(browser as Browser, pathToFileURL(result.report).href);
    for (const [i, { step, testAccuracy, mistakes, weightsSha256 }] of result.snapshots.entries()) {
      const checkpoint = join(run, 'checkpoints', `step-${String(step).padStart(8, '0')}.safetensors`);
      const evaluation = JSON.parse(lockstep(['evaluate', checkpoint, ...DATA, '--json']).stdout);
      assert.equal(testAccuracy, evaluation.testAccuracy);
      assert.equal(weightsSha256, evaluation.weightsSha256);
      const confusion = await confusionOn(page, i);
      assert.deepEqual(confusion, evaluation.confusion);
      assert.equal(sum(confusion.flat()), TEST_IMAGES);
      const right = sum(confusion.map((row, digit) => at(row, digit)));
      assert.equal(right / TEST_IMAGES, evaluation.testAccuracy);
      assert.equal(mistakes, TEST_IMAGES - right);
      assert.equal(await page.locator('[data-mistakes]').nth(i).getAttribute('data-mistakes'), String(mistakes));
    }
    assert.deepEqual(faults, []);
    await page.close();
  });

  test('says in words what each picture shows', { skip: noBrowser }, async () => {
    const { page } = await watch(browser as Browser, pathToFileURL(result.report).href);
    assert.ok((await page.locator('img').count()) > 100);
    assert.equal(await page.locator('img:not([alt]), img[alt=""]').count(), 0);
    assert.equal(await page.locator('svg:not([role="img"][aria-label]), [role="img"]:not([aria-label])').count(), 0);
    assert.equal(await page.locator('table:not(:has(> caption))').count(), 0);
    // Sixty kernels, and none where the table has a hole.
    assert.equal(await page.locator('svg.connections .cell').count(), 60);
    await page.close();
  });

  test('has curves that can be zoomed and read off', { skip: noBrowser }, async () => {
    const { page, faults } = await watch(browser as Browser, pathToFileURL(result.report).href);
    const whole = await readAt(page, 0);
    assert.ok(stepIn(whole) <= 3, whole);
    await pointAt(page, 0.25);
    await page.mouse.down();
    await pointAt(page, 0.75);
    await page.mouse.up();
    const zoomed = stepIn(await readAt(page, 0));
    assert.ok(zoomed > 40 && zoomed < 60, `begins at step ${zoomed}`);
    // Few steps are several pixels apart.
    await page.locator('#charts [role="img"]').first().focus();
    for (let presses = 0; presses < 2; presses++) await page.keyboard.press('+');
    const near = await readAt(page, 0.5);
    assert.match(near, /^step (99|100|101) ·/);
    const readings = [near, await readAt(page, 0.46), await readAt(page, 0.54)];
    assert.ok(
      readings.some((reading) => /^step 100 · .* % test .* %$/.test(reading)),
      readings.join('; '),
    );
    await page.locator('.u-over').first().dblclick();
    assert.ok(stepIn(await readAt(page, 0)) <= 3);
    assert.deepEqual(faults, []);
    await page.close();
  });

  test('fits 360 pixels, in the dark, and prints in light colours', { skip: noBrowser }, async () => {
    const { page, faults } = await watch(browser as Browser, pathToFileURL(result.report).href, {
      viewport: { width: 360, height: 740 },
      colorScheme: 'dark',
    });
    const wide = await page.evaluate<number>('document.documentElement.scrollWidth');
    assert.ok(wide <= 360, `${wide} pixels wide`);
    await page.setViewportSize({ width: 400, height: 740 });
    // The rest is wider, and shows by a shadow that it is.
    assert.deepEqual(await scrolledOn(page), ['layers', 'network']);
    const ground = "getComputedStyle(document.documentElement).getPropertyValue('--ground')";
    assert.equal(await page.evaluate(ground), '#0f1216');
    await page.emulateMedia({ media: 'print', colorScheme: 'dark' });
    assert.equal(await page.evaluate(ground), '#f4f5f7');
    assert.deepEqual(faults, []);
    await page.close();
  });

  test('has room for six snapshots', { skip: noBrowser }, async () => {
    const six = train('six', DATA, '--iterations', '60', '--checkpoint-every', '10');
    const { report: file } = report([six, '--steps', '10,20,30,40,50,60']);
    const { page } = await watch(browser as Browser, pathToFileURL(file).href, {
      viewport: { width: 1280, height: 900 },
    });
    assert.equal(await page.locator('.confusion').count(), 6);
    assert.deepEqual(await scrolledOn(page), ['same']);
    await page.close();
  });

  test('is printed whole, two of everything beside each other', { skip: noBrowser }, async () => {
    // A4 without its margins, in CSS pixels; US Letter has 22 more.
    const width = 703;
    const { page, faults } = await watch(browser as Browser, pathToFileURL(result.report).href, {
      viewport: { width, height: 1000 },
    });
    await page.evaluate("dispatchEvent(new Event('beforeprint'))");
    await page.emulateMedia({ media: 'print' });
    const beyond = await page.evaluate<string[]>(`[...document.querySelectorAll('body *')]
      .filter((element) => element.getBoundingClientRect().right > ${width} + 1)
      .map(({ tagName, className }) => tagName + '.' + className)`);
    assert.deepEqual(beyond, []);
    for (const kind of ['#charts .chart', '.confusion']) {
      const tops = await page.evaluate<number[]>(
        `[...document.querySelectorAll('${kind}')].slice(0, 2).map((element) => element.getBoundingClientRect().top)`,
      );
      assert.equal(tops.length, 2);
      assert.equal(tops[0], tops[1], kind);
    }
    const matrix = await page.evaluate<number[]>(`(() => {
      const table = document.querySelector('.confusion');
      return [table.getBoundingClientRect().right, table.closest('.side').getBoundingClientRect().right];
    })()`);
    assert.ok(
      (matrix[0] as number) <= (matrix[1] as number),
      `the matrix ends at ${matrix[0]}, its column at ${matrix[1]}`,
    );
    assert.deepEqual(faults, []);
    await page.close();
  });

  test('compares runs, the RBF head with its bitmaps', { skip: noBrowser }, async () => {
    const other = train('rbf', DATA, '--iterations', '100', '--head', 'rbf');
    const both = report([run, other, '--image', '5', '--out', join(folder, 'both.html')]);
    assert.deepEqual(
      both.snapshots.map(({ title }) => title),
      ['soft, step 200', 'rbf, step 100'],
    );
    const { page, faults } = await watch(browser as Browser, pathToFileURL(both.report).href);
    assert.equal((await readAt(page, 0)).split(' · ').length, 3);
    assert.equal(await page.locator('img[alt^="The target of "]').count(), 1);
    assert.match((await page.locator('#sample h3').first().textContent()) ?? '', /^Test image 5: 1$/);
    assert.match((await page.locator('#network').textContent()) ?? '', /60,000/);
    assert.deepEqual(faults, []);
    await page.close();
    const chosen = report([run, other, '--steps', '100', '--out', join(folder, 'both.html')]);
    assert.deepEqual(
      chosen.snapshots.map(({ step }) => step),
      [100, 100],
    );
  });

  test('asks for a folder of images that only run.json names, and never puts drawn ones in their place', async () => {
    const nowhere = {
      MNIST_DIR: '',
      XDG_CACHE_HOME: join(folder, 'cache'),
      LOCKSTEP_MNIST_MIRRORS: 'http://127.0.0.1:9/',
    };
    const moved = join(folder, 'moved');
    cpSync(run, moved, { recursive: true });
    const manifest = JSON.parse(readFileSync(join(run, 'run.json'), 'utf8'));
    manifest.config.data = join(folder, 'gone');
    writeFileSync(join(moved, 'run.json'), JSON.stringify(manifest));
    const drawn = train('drawn first', ['--data', 'synthetic'], '--iterations', '20');
    for (const command of ['report', 'evaluate']) {
      for (const runs of command === 'report' ? [[run], [moved], [drawn, moved]] : [[run], [moved]]) {
        const { status, stderr } = await startLockstep([command, ...runs], nowhere).ended;
        assert.equal(status, 2, stderr);
        assert.match(stderr, /MNIST was not found .*Put its four files into a folder and name that by --data/);
        assert.match(stderr, /The run's own command named --data /);
      }
      const asked = await startLockstep([command, moved, '--json', '--data', 'synthetic'], nowhere).ended;
      assert.equal(JSON.parse(asked.stdout).dataset, 'synthetic');
    }
  });

  test('refuses steps and images that are not there', () => {
    refused([run, '--steps', '100,150'], /--steps: no checkpoint of step 150\. .* has 100, 200\./);
    refused([run, '--steps', '1e2'], /--steps: expected steps with commas/);
    refused([run, '--image', '10000'], /--image: expected the number of a test image, from 0 to 9999/);
    refused([run, '--out', join(folder, 'nowhere', 'r.html')], /can't be written to .*nowhere/);
    refused([join(folder, 'nowhere')], /There is no run directory .*nowhere/);
  });

  test('passes a damaged snapshot over, unless it was asked for', () => {
    const copy = join(folder, 'damaged');
    cpSync(run, copy, { recursive: true });
    const file = join(copy, 'checkpoints', 'step-00000100.safetensors');
    const bytes = readFileSync(file);
    bytes[bytes.length - 1] = at(bytes, bytes.length - 1) ^ 1;
    writeFileSync(file, bytes);
    const { status, stdout, stderr } = lockstep(['report', copy, ...DATA, '--json']);
    assert.equal(status, 0);
    assert.match(stderr, /Passed over: .*step-00000100/);
    const page = readFileSync(join(copy, 'report.html'), 'utf8');
    assert.match(page, /class="warning"[^>]*>The checkpoint of step 100 in damaged is damaged and was passed over\./);
    assert.deepEqual(
      (JSON.parse(stdout) as Result).snapshots.map(({ step }) => step),
      [200],
    );
    refused([copy, '--steps', '100'], /step-00000100\.safetensors/);
  });

  test('stops at a snapshot that can not be read, as predict does', () => {
    const copy = join(folder, 'unreadable');
    cpSync(run, copy, { recursive: true });
    const file = join(copy, 'checkpoints', 'step-00000100.safetensors');
    rmSync(file);
    // Even root can't follow it.
    symlinkSync(file, file);
    refused([copy], /step-00000100\.safetensors can't be read \(ELOOP/);
    refused([copy, '--steps', '100'], /step-00000100\.safetensors can't be read \(ELOOP/);
  });
});

describe('the report of a run that was stopped', () => {
  let run: string;
  before(async () => {
    run = join(folder, 'stopped');
    const usual = ['--workers', '1', '--metrics-port', 'off', '--iterations', '100000', '--checkpoint-every', '200'];
    const training = startLockstep(['train', ...DATA, ...usual, '--out', run]);
    await training.said(/^Run directory/);
    await checkpointIn(run);
    const { report: file } = report([run, '--out', join(folder, 'live.html')]);
    assert.match(readFileSync(file, 'utf8'), /; run running<\/p>/);
    assert.ok(training.signal('SIGINT'), 'it had ended already');
    assert.equal((await training.ended).status, 130);
  });

  test('says so, where it said before that it is running', () => {
    assert.match(readFileSync(report([run]).report, 'utf8'), /; run stopped<\/p>/);
  });

  test('has its last accuracy among the points of the test set', () => {
    const { report: file, snapshots } = report([run]);
    const last = at(snapshots, snapshots.length - 1);
    const tests = curvesIn(file)[0]?.tests ?? [];
    assert.deepEqual(
      tests.filter(({ step }) => step === last.step).map(({ accuracy }) => accuracy),
      [last.testAccuracy],
    );
    const steps = tests.map(({ step }) => step);
    assert.deepEqual(
      steps,
      [...new Set(steps)].sort((a, b) => a - b),
    );
  });

  test('continues if lines of its log are strange, and says which', () => {
    const copy = join(folder, 'strange');
    cpSync(run, copy, { recursive: true });
    const log = join(copy, 'steps.jsonl');
    const lines = readFileSync(log, 'utf8').split('\n');
    for (const [strange, warning] of [
      [[7], /Line 7 of strange(?:&#39;|')s steps\.jsonl isn(?:&#39;|')t a step/],
      [[7, 9], /2 lines of strange(?:&#39;|')s log, the first being line 7 of steps\.jsonl, aren(?:&#39;|')t steps;/],
    ] as const) {
      writeFileSync(
        log,
        lines.map((line, i) => (strange.some((each) => each === i + 1) ? '{"step":' : line)).join('\n'),
      );
      const { report: file } = report([copy]);
      assert.match(readFileSync(file, 'utf8'), warning);
      const { series } = at(curvesIn(file), 0);
      const steps = unpackSeries(series).buckets.map((bucket) => bucket + 1);
      assert.deepEqual(
        steps.slice(0, 8),
        [1, 2, 3, 4, 5, 6, 7, 8, 9, 10].filter((step) => !strange.some((each) => each === step)).slice(0, 8),
      );
    }
  });
});

test('without a name takes the newest run that has a checkpoint, and says how to train one', async () => {
  const home = join(folder, 'home');
  mkdirSync(home);
  const without = lockstep(['report', ...DATA], { cwd: home });
  assert.match(
    without.stderr,
    /There is no run with a checkpoint below .*home.runs\. Train one by `\S+ \S+main\.js train`/,
  );
  assert.equal(without.status, 2);
  const run = train(join('home', 'runs', 'older'), ['--data', 'synthetic'], '--iterations', '20');
  cpSync(run, join(home, 'runs', 'newer'), { recursive: true });
  rmSync(join(home, 'runs', 'newer', 'checkpoints'), { recursive: true });
  const { status, stdout, stderr } = lockstep(['report', '--data', 'synthetic'], { cwd: home });
  assert.equal(status, 0, stderr);
  assert.equal(stdout, `${join('runs', 'older', 'report.html')}\n`);
});

test('writes over an earlier report alone', () => {
  const run = train('kept', ['--data', 'synthetic'], '--iterations', '20');
  const file = join(run, 'report.html');
  for (let times = 0; times < 2; times++) assert.equal(report([run], ['--data', 'synthetic']).report, file);
  for (const name of ['run.json', 'steps.jsonl', 'checkpoints']) {
    const path = join(run, name);
    const earlier = name === 'checkpoints' ? undefined : readFileSync(path);
    const { status, stderr } = lockstep(['report', run, '--data', 'synthetic', '--out', path]);
    assert.equal(status, 2);
    assert.match(stderr, /is a file of the run .*kept, which this would damage\. Name another place/);
    if (earlier !== undefined) assert.deepEqual(readFileSync(path), earlier);
  }
});

test('says loudly that the digits are drawn', () => {
  const run = train('drawn', ['--data', 'synthetic'], '--iterations', '40');
  const { report: file, snapshots } = report([run], ['--data', 'synthetic']);
  assert.deepEqual(
    snapshots.map(({ step }) => step),
    [40],
  );
  const page = readFileSync(file, 'utf8');
  assert.match(page, /class="warning"[^>]*>Trained on SYNTHETIC digits, not MNIST: drawn\./);
  assert.match(page, /class="warning"[^>]*>The test images are SYNTHETIC digits, not MNIST/);
  assert.match(page, /10,000 SYNTHETIC test images/);
  assert.doesNotMatch(page, /MNIST test images/);
});
