import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { setTimeout } from 'node:timers/promises';
import type { Browser, Page } from 'playwright-core';
import { NodeViews } from '#src/coordinator/observe/nodes/node-views.js';
import { LiveFeed } from '#src/coordinator/observe/web/live-feed.js';
import { addPage } from '#src/coordinator/observe/web/routes.js';
import { startWebServer } from '#src/coordinator/observe/web/web-server.js';
import { readNodes } from '#src/coordinator/run/node-record.js';
import {
  drawnOn,
  RECORD_DRAWING,
  skip,
  startBrowser,
  type Tab,
  Tabs,
  type Watched,
  watch,
} from '../support/browser.ts';
import { DATA, DATA_OF_NODE, lockstep, manifestOf, type Program, startLockstep } from '../support/program.ts';
import { stepRecord } from '../support/step-record.ts';

const folder = mkdtempSync(join(tmpdir(), 'lockstep-page-'));
const started: Program[] = [];
after(() => {
  for (const { signal } of started) signal('SIGKILL');
  rmSync(folder, { recursive: true });
});

function start(args: readonly string[]): Program {
  const program = startLockstep(args);
  started.push(program);
  return program;
}

function train(name: string, ...flags: readonly string[]): Program {
  return start(['train', ...DATA, '--out', join(folder, name), '--metrics-port', '0', '--batch', '32', ...flags]);
}

async function pageOf(program: Program): Promise<string> {
  return (await program.said(/^Live page/)).split(' ').at(-1) as string;
}

/** Waits until the page's step is at least this. */
async function waitForStep(page: Page, least: number): Promise<void> {
  const deadline = performance.now() + 60_000;
  for (let step = 0; step < least; ) {
    assert.ok(performance.now() < deadline, `the page is at step ${step} after a minute`);
    await page.waitForTimeout(50);
    step = Number((await page.locator('#step').textContent())?.replaceAll(',', '')) || 0;
  }
}

const STEP = "Number(document.getElementById('step')?.textContent.replaceAll(',', '') ?? 0)";

/** Waits until an expression is true in a tab. */
async function waitInTab(tab: Tab, expression: string): Promise<void> {
  const deadline = performance.now() + 60_000;
  while ((await tab.evaluate(expression)) !== true) {
    assert.ok(performance.now() < deadline, `still not after a minute: ${expression}`);
    await setTimeout(50);
  }
}

/** What a chart's line of text says of the step under the pointer, at a place from 0 to 1 of its width. */
async function readAt(page: Page, chart: number, place: number): Promise<string> {
  const over = page.locator('.u-over').nth(chart);
  const box = await over.boundingBox();
  // It is drawn anew in this moment.
  if (box === null) return '';
  await page.mouse.move(box.x + 2 + place * (box.width - 4), box.y + box.height / 2);
  return (await page.locator('figcaption output').nth(chart).textContent()) ?? '';
}

/** A page on which nothing went wrong, with no number that isn't one. */
async function assertSound({ page, faults }: Watched): Promise<void> {
  const { texts, broken } = await drawnOn(page);
  assert.ok(texts.length > 0);
  assert.deepEqual([broken, faults], [[], []]);
  const words = `${texts.join('\n')}\n${await page.locator('body').innerText()}`;
  assert.doesNotMatch(words, /NaN|Infinity|∞|null|undefined/);
}

const HEADING = { started: 0, iterations: 1000, batch: 8, config: {}, digests: {} };

describe('the live page', { skip }, () => {
  let browser: Browser;
  before(async () => {
    browser = await startBrowser();
  });
  after(() => browser.close());

  test('draws the steps as they come, and a node that is killed is lost', { timeout: 300_000 }, async () => {
    const run = train('live', '--iterations', '1000000', '--workers', '1', '--listen', '127.0.0.1:0');
    const connect = (await run.said(/^Nodes can connect/)).split(' ').at(-1) as string;
    const { page, faults } = await watch(browser, await pageOf(run));
    await waitForStep(page, 120);
    assert.equal(await page.locator('#state').textContent(), 'running');
    const early = Number(/steps? ([\d,]+)/.exec(await readAt(page, 0, 1))?.[1]?.replaceAll(',', ''));
    await waitForStep(page, 2 * early + 500);
    const late = await readAt(page, 0, 1);
    assert.ok(Number(/steps? ([\d,]+)/.exec(late)?.[1]?.replaceAll(',', '')) > early, late);
    // At step 100 the test set was classified.
    await page.locator('#test', { hasText: '%' }).waitFor();

    const node = start(['worker', '--connect', connect, '--threads', '1', ...DATA_OF_NODE]);
    const row = page.locator('#nodes-table tr').nth(2);
    await row.locator('.pill', { hasText: 'ready' }).waitFor();
    await row.locator('td', { hasText: /^[\d.]+ MB$/ }).waitFor();
    // A node that is too slow for steps this small uses next to none.
    const local = page.locator('#nodes-table tr').nth(1);
    await local
      .locator('td', { hasText: /^\d+\.\d\d$/ })
      .filter({ hasNotText: '0.00' })
      .waitFor();
    await page.locator('#happenings li', { hasText: 'joined' }).waitFor();
    assert.ok(node.signal('SIGKILL'));
    await row.locator('.pill', { hasText: 'lost' }).waitFor();
    await page.locator('#happenings li', { hasText: 'is gone' }).waitFor();

    run.signal('SIGTERM');
    await page.locator('#state', { hasText: 'stopped' }).waitFor();
    assert.equal((await run.ended).status, 143);
    assert.deepEqual(faults, []);
    await page.close();
    const nodes = (await readNodes(join(folder, 'live'))) ?? assert.fail();
    assert.deepEqual(
      nodes.map(({ state }) => state),
      ['ready', 'lost'],
    );
    assert.ok((nodes[0]?.processors ?? 0) > 0);
    for (const { memoryBytes = 0 } of nodes) assert.ok(memoryBytes > 1e7);
  });

  test('comes back by itself when a killed run is resumed', { timeout: 300_000 }, async () => {
    const flags = ['--iterations', '1000000', '--checkpoint-every', '100'];
    const first = train('resumed', ...flags);
    const url = await pageOf(first);
    const { page } = await watch(browser, url);
    await waitForStep(page, 300);
    first.signal('SIGKILL');
    await page.locator('#state', { hasText: 'connection lost' }).waitFor();
    const port = new URL(url).port;
    const second = start(['train', '--resume', join(folder, 'resumed'), '--metrics-port', port]);
    await page.locator('#state', { hasText: 'running' }).waitFor();
    // The steps before the checkpoint are there too, as soon as the log was read.
    const deadline = performance.now() + 60_000;
    while (!/steps? [1-9]\d?( to \d+)? ·/.test(await readAt(page, 0, 0))) {
      assert.ok(performance.now() < deadline, `after a minute: ${await readAt(page, 0, 0)}`);
      await page.waitForTimeout(50);
    }
    second.signal('SIGTERM');
    await page.locator('#state', { hasText: 'stopped' }).waitFor();
    await page.close();
  });

  test('loads in any number of tabs, each up to date when it is shown', { timeout: 300_000 }, async () => {
    const run = train('tabs', '--iterations', '1000000');
    const url = await pageOf(run);
    const own = await startBrowser();
    const tabs = await Tabs.of(own);
    const opened: Tab[] = [];
    // A browser permits six connections to a server.
    for (let i = 0; i < 8; i++) {
      const tab = await tabs.open(url);
      await waitInTab(tab, `${STEP} > 0`);
      opened.push(tab);
    }
    const [first = assert.fail()] = opened;
    const last = Number(await opened.at(-1)?.evaluate(STEP));
    assert.ok(Number(await first.evaluate(STEP)) < last);
    await first.show();
    await waitInTab(first, `${STEP} > ${last}`);
    // The tab that was seen last has the end of the run, hidden or not.
    const other = await tabs.open('about:blank');
    await waitInTab(first, 'document.hidden');
    run.signal('SIGTERM');
    await waitInTab(first, `document.getElementById('state').textContent === 'stopped'`);
    assert.equal(await other.evaluate('document.hidden'), false);
    await own.close();
  });

  test('works by keyboard, at 360 pixels, in the dark', { timeout: 300_000 }, async () => {
    const run = train('small', '--iterations', '1000000');
    const { page, faults } = await watch(browser, await pageOf(run), {
      viewport: { width: 360, height: 740 },
      colorScheme: 'dark',
    });
    await waitForStep(page, 500);
    const wide = await page.evaluate<number>('document.documentElement.scrollWidth');
    assert.ok(wide <= 360, `${wide} pixels wide`);
    assert.equal(await page.locator('html').getAttribute('data-theme'), 'dark');
    const lost = '#nodes-table td[data-label="Lost"]';
    await page.locator(lost).waitFor();
    // In one evaluation, since the table is made anew every second.
    const edges = `(({ left, right }) => [left, right])(document.querySelector('${lost}').getBoundingClientRect())`;
    const [left, right] = await page.evaluate<[number, number]>(edges);
    assert.ok(left >= 0 && right > left && right <= 360, `from ${left} to ${right} pixels`);
    assert.match((await page.locator('#elapsed').textContent()) ?? '', /\d s$/);
    assert.match((await page.locator('#trained').textContent()) ?? '', /\d m?s in steps$/);
    const readout = page.locator('figcaption output').first();
    assert.match((await readout.textContent()) ?? '', /^mean of \d+ steps/);
    // The button, the three switches of all charts and that of the first one, the chart; the browser may add what scrolls.
    const role = (): Promise<string | null> => page.evaluate("document.activeElement.getAttribute('role')");
    for (let tabs = 0; tabs < 8 && (await role()) !== 'img'; tabs++) await page.keyboard.press('Tab');
    assert.equal(await role(), 'img');
    for (let presses = 0; presses < 12; presses++) await page.keyboard.press('+');
    await page
      .locator('figcaption output', { hasText: /^every step/ })
      .first()
      .waitFor();
    await page.keyboard.press('0');
    await page
      .locator('figcaption output', { hasText: /^mean of/ })
      .first()
      .waitFor();
    await page.locator('#theme').click();
    assert.equal(await page.locator('html').getAttribute('data-theme'), 'light');
    assert.deepEqual(faults, []);
    run.signal('SIGKILL');
    await page.close();
  });

  test('shows numbers that are not finite as such, and draws none', { timeout: 300_000 }, async (t) => {
    const feed = new LiveFeed({ ...HEADING, name: 'not finite' }, new NodeViews(8));
    const options = { host: '127.0.0.1', port: 0, explicit: true, advice: '' };
    const server = await startWebServer(options, (app) => addPage(app, feed, {}));
    t.after(() => server.close());
    const strange = (step: number) => ({ loss: Number.NaN, gradientNorm: step % 2 === 0 ? 1e308 : -1 / 0 });
    for (let step = 1; step <= 200; step++) feed.onStep(stepRecord(step, step % 40 === 0 ? strange(step) : {}));
    const watched = await watch(browser, server.url, { script: RECORD_DRAWING });
    const { page } = watched;
    await waitForStep(page, 200);
    for (let step = 201; step <= 300; step++) feed.onStep(stepRecord(step, strange(step)));
    feed.onEvaluation({ step: 300, testAccuracy: 0.1, testLoss: Number.NaN, seconds: 1 });
    await waitForStep(page, 300);
    await page.locator('#test', { hasText: '10.00 %' }).waitFor();
    assert.equal(await page.locator('#loss-now').textContent(), 'not finite');
    assert.match(await readAt(page, 0, 1), /^step (299|300) · not finite$/);
    assert.match(await readAt(page, 0, 0.333), /^step (99|100|101) · 0\.25$/);
    await feed.end('failed');
    await page.locator('#state', { hasText: 'failed' }).waitFor();
    await assertSound(watched);
    await page.close();
    const again = await watch(browser, server.url, { script: RECORD_DRAWING });
    await waitForStep(again.page, 300);
    await assertSound(again);
    await again.page.close();
  });

  test('shows no accuracy of a network whose outputs are numbers', { timeout: 300_000 }, async (t) => {
    const feed = new LiveFeed({ ...HEADING, name: 'numbers', hasAccuracy: false }, new NodeViews(8));
    const options = { host: '127.0.0.1', port: 0, explicit: true, advice: '' };
    const server = await startWebServer(options, (app) => addPage(app, feed, {}));
    t.after(() => server.close());
    t.after(() => feed.end('finished'));
    for (let step = 1; step <= 50; step++) {
      const { accuracy: _, ...record } = stepRecord(step);
      feed.onStep(record);
    }
    feed.onEvaluation({ step: 50, testLoss: 0.5, seconds: 1 });
    const watched = await watch(browser, server.url, { script: RECORD_DRAWING });
    const { page } = watched;
    await waitForStep(page, 50);
    await page.locator('#test', { hasText: '0.5' }).waitFor();
    const tiles = await page.locator('#tiles').innerText();
    assert.match(tiles, /Test loss/);
    assert.doesNotMatch(tiles, /accuracy|not finite/i);
    await assertSound(watched);
    await page.close();
  });

  test("draws a caller's own scalars, from the step on that first has them", { timeout: 300_000 }, async (t) => {
    const feed = new LiveFeed({ ...HEADING, name: 'own scalars' }, new NodeViews(8));
    const options = { host: '127.0.0.1', port: 0, explicit: true, advice: '' };
    const server = await startWebServer(options, (app) => addPage(app, feed, {}));
    t.after(() => server.close());
    t.after(() => feed.end('finished'));
    for (let step = 1; step <= 50; step++) feed.onStep(stepRecord(step, { scalars: { gpuTemperature: 61 } }));
    const watched = await watch(browser, server.url, { script: RECORD_DRAWING });
    const { page } = watched;
    await waitForStep(page, 50);
    const titles = page.locator('figure.chart:visible h2');
    const before = await titles.allTextContents();
    assert.equal(before.at(-1), 'gpuTemperature');
    const canvas = page.locator('figure.chart:visible div[role=img]').last();
    assert.match((await canvas.getAttribute('aria-label')) ?? '', /^gpuTemperature .* mean of the last 100: 61\.$/);
    for (let step = 51; step <= 60; step++)
      feed.onStep(stepRecord(step, { scalars: { gpuTemperature: 62, load: 0.5 } }));
    await page.locator('figure.chart h2', { hasText: 'load' }).waitFor();
    assert.deepEqual(await titles.allTextContents(), [...before, 'load']);
    await assertSound(watched);
    await page.close();
  });

  test('shows a run that ended with a loss that is not finite', { timeout: 300_000 }, async () => {
    const run = join(folder, 'overflown');
    const steep = ['--optimizer', 'sgd', '--learning-rate', '1000000', '--warmup', '0', '--schedule', 'constant'];
    const flags = ['--iterations', '2', '--batch', '16', '--metrics-port', 'off', '--out', run];
    assert.equal(lockstep(['train', '--data', 'synthetic', ...steep, ...flags]).status, 3);
    assert.equal(manifestOf(run).state, 'failed');
    const shown = start(['dashboard', run, '--metrics-port', '0']);
    const url = (await shown.said(/http:/)).match(/http:\S+/)?.[0] ?? '';
    const watched = await watch(browser, url, { script: RECORD_DRAWING });
    await waitForStep(watched.page, 2);
    assert.match(await readAt(watched.page, 0, 1), /^step 2 · 1\.45e\+36$/);
    await assertSound(watched);
    shown.signal('SIGTERM');
    await shown.ended;
    await watched.page.close();
  });

  test('lockstep dashboard shows runs from their directories, one over the other', { timeout: 300_000 }, async () => {
    const paths = ['one', 'two'].map((name) => join(folder, name));
    for (const [seed, path] of paths.entries()) {
      const flags = ['--iterations', '150', '--seed', String(seed + 1), '--metrics-port', 'off'];
      assert.equal(lockstep(['train', ...DATA, '--out', path, ...flags]).status, 0);
    }
    const shown = start(['dashboard', ...paths, '--metrics-port', '0']);
    const url = (await shown.said(/http:/)).match(/http:\S+/)?.[0] ?? '';
    const { page, faults } = await watch(browser, url);
    await page.locator('#options-table th').nth(2).waitFor();
    assert.match((await page.locator('#runs-table').textContent()) ?? '', /two.*finished.*150 of 150.*one/s);
    const values = (await readAt(page, 0, 0.5)).split(' · ');
    assert.equal(values.length, 3, `the step, and each run's loss: ${values}`);
    assert.deepEqual(faults, []);
    shown.signal('SIGTERM');
    assert.equal((await shown.ended).status, 0);
    await page.close();
  });
});

test('asks no other host, and runs no script but its own', async () => {
  const run = train('headers', '--iterations', '1000000');
  const url = await pageOf(run);
  const policy = (await fetch(url)).headers.get('content-security-policy') ?? '';
  assert.match(policy, /default-src 'none'; script-src 'self'/);
  assert.doesNotMatch(policy, /unsafe|http|\*/);
  for (const path of ['..%2f..%2fpackage.json', 'page/../../cli/main.js', 'shared/live']) {
    assert.equal((await fetch(new URL(path, url))).status, 404, path);
  }
  run.signal('SIGKILL');
});
