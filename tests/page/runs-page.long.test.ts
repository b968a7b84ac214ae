import assert from 'node:assert/strict';
import { cpSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import type { Browser, Page } from 'playwright-core';
import { drawnOn, RECORD_DRAWING, skip, startBrowser, type Watched, watch } from '../support/browser.ts';
import { lockstep, type Program, SMALL, startLockstep } from '../support/program.ts';

const folder = mkdtempSync(join(tmpdir(), 'lockstep-runs-page-'));
const runs = join(folder, 'runs');
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

function train(name: string, ...flags: readonly string[]): void {
  const { status, stderr } = lockstep(['train', ...SMALL, '--out', join(runs, name), ...flags]);
  assert.equal(status, 0, stderr);
}

/** Counts the plots that are made. */
const COUNT_PLOTS = `
  window.plots = 0;
  const make = document.createElement;
  document.createElement = function (tag, ...more) {
    if (tag === 'canvas') plots++;
    return make.call(this, tag, ...more);
  };
`;

/** The names in the list, from above. */
function namesOn(page: Page): Promise<string[]> {
  return page.locator('#runs-table tbody th').allInnerTexts();
}

async function choose(page: Page, ...names: readonly string[]): Promise<void> {
  await page.locator('#choose-none').click();
  for (const name of names) await page.getByLabel(name, { exact: true }).check();
}

async function readAt(page: Page, chart: number, along: number): Promise<string> {
  const over = page.locator('.u-over').nth(chart);
  await over.scrollIntoViewIfNeeded();
  const box = (await over.boundingBox()) ?? assert.fail();
  await page.mouse.move(box.x + 2 + along * (box.width - 4), box.y + box.height / 2);
  return (await page.locator('figcaption output').nth(chart).textContent()) ?? '';
}

describe('the page of all runs', { skip }, () => {
  let browser: Browser;
  let url = '';
  before(async () => {
    browser = await startBrowser();
    train('first', '--iterations', '60', '--seed', '1');
    train('second', '--iterations', '120', '--seed', '2', '--batch', '16');
    train('third', '--iterations', '90', '--seed', '3', '--validation', '0.1');
    lockstep(['runs', '--tag', 'baseline', 'first', 'second', '--note', 'the third one', 'third'], { cwd: folder });
    url = (await start(['dashboard', runs, '--metrics-port', '0']).said(/http:/)).match(/http:\S+/)?.[0] ?? '';
  });
  after(() => browser.close());

  test('sorts by each column, filters, and shows what is chosen', { timeout: 300_000 }, async () => {
    const watched = await watch(browser, url, { script: RECORD_DRAWING, viewport: { width: 1400, height: 1000 } });
    const { page, faults } = watched;
    // The newest one is chosen.
    await page.locator('#step', { hasText: '90' }).waitFor();
    assert.deepEqual(await namesOn(page), ['third', 'second', 'first']);
    const node = await page.locator('#nodes-table tr').nth(1).locator('th, td').allInnerTexts();
    assert.match(node.slice(0, 6).join(' | '), /^local \| to the end \| 1 \| \d+\.\d\d \| [\d.]+ MB \| [\d,]+$/);
    const heading = page.locator('#runs-table thead th', { hasText: 'Step' });
    await heading.getByRole('button').focus();
    await page.keyboard.press('Enter');
    assert.equal(await heading.getAttribute('aria-sort'), 'descending');
    assert.equal(await page.locator('#runs-table [aria-sort="descending"]').count(), 1);
    assert.deepEqual(await namesOn(page), ['second', 'third', 'first']);
    await page.keyboard.press('Enter');
    assert.equal(await heading.getAttribute('aria-sort'), 'ascending');
    assert.deepEqual(await namesOn(page), ['first', 'third', 'second']);
    await page.locator('#runs-table .tag').first().click();
    assert.deepEqual(await namesOn(page), ['first', 'second']);
    await page.locator('#choose-none').click();
    assert.equal(await page.locator('#tiles').isHidden(), true);
    assert.equal(await page.locator('#nodes').isHidden(), true);
    await page.locator('#choose-all').click();
    await page.locator('#options-table th', { hasText: 'second' }).waitFor();
    assert.match((await page.locator('#runs-number').textContent()) ?? '', /^2 of 3 runs, 2 chosen$/);
    const rows = await page.locator('#options-table tr > th:first-child').allInnerTexts();
    assert.deepEqual(
      ['iterations', 'batch', 'seed', 'final weights, SHA-256', 'optimizer'].map((name) => rows.includes(name)),
      [true, true, true, true, false],
    );
    assert.match((await page.locator('#options-number').textContent()) ?? '', /^\d+ that all of them have in common$/);
    assert.match(await readAt(page, 0, 0.25), /^step \d+ · (second|first) .* · (second|first) /);
    assert.deepEqual((await drawnOn(page)).broken, []);
    assert.deepEqual(faults, []);
    await page.close();
  });

  test('has its choice, order and filter in its address', { timeout: 300_000 }, async () => {
    const { page } = await watch(browser, url);
    await page.locator('#step', { hasText: '90' }).waitFor();
    await choose(page, 'third', 'first');
    await page.locator('#runs-table thead').getByRole('button', { name: 'Run' }).click();
    await page.getByLabel('filter').fill('ir');
    const address = await page.evaluate<string>('location.href');
    assert.match(address, /#run=third&run=first&sort=name&filter=ir$/);
    await page.close();
    const again = await watch(browser, address);
    await again.page.locator('#options-table th', { hasText: 'first' }).waitFor();
    assert.deepEqual(await namesOn(again.page), ['first', 'third']);
    assert.match(await again.page.locator('#options-table th').nth(1).innerText(), /^ ?third$/);
    const lost = await watch(browser, address.replace('third', 'gone'));
    await lost.page.locator('#problem', { hasText: 'gone: The list has no run of this name.' }).waitFor();
    await lost.page.locator('#step', { hasText: '60' }).waitFor();
    for (const { page } of [again, lost]) await page.close();
  });

  test('follows a run that trains, and lists one that comes', { timeout: 300_000 }, async () => {
    const { page, faults } = await watch(browser, url);
    await page.locator('#step', { hasText: '90' }).waitFor();
    const flags = ['--iterations', '1000000', '--out', join(runs, 'live')];
    const run = start(['train', ...SMALL, ...flags]);
    await page.locator('#runs-table .pill', { hasText: 'running' }).waitFor({ timeout: 60_000 });
    await choose(page, 'live');
    await page.locator('#state', { hasText: 'running' }).waitFor();
    const stepOf = async (): Promise<number> =>
      Number((await page.locator('#step').textContent())?.replaceAll(',', '')) || 0;
    const [deadline, before] = [performance.now() + 60_000, await stepOf()];
    while ((await stepOf()) <= before) {
      assert.ok(performance.now() < deadline, `still at step ${before} after a minute`);
      await page.waitForTimeout(50);
    }
    await page.getByLabel('third', { exact: true }).focus();
    run.signal('SIGTERM');
    await page.locator('#state', { hasText: 'stopped' }).waitFor({ timeout: 60_000 });
    assert.equal(await page.evaluate<string>('document.activeElement.closest("label")?.innerText'), 'third');
    assert.deepEqual(faults, []);
    await page.close();
    rmSync(join(runs, 'live'), { recursive: true });
  });

  test('overlays a dozen runs, at 375 pixels too, with curves that are told apart', { timeout: 300_000 }, async () => {
    for (let i = 4; i <= 12; i++) cpSync(join(runs, 'first'), join(runs, `run-${i}`), { recursive: true });
    const script = `${RECORD_DRAWING}${COUNT_PLOTS}`;
    const watched = await watch(browser, url, { script, viewport: { width: 375, height: 740 } });
    const { page, faults } = watched;
    await page.locator('#runs-number', { hasText: '12 runs' }).waitFor();
    await page.locator('#choose-all').click();
    await page.locator('#options-table th').nth(12).waitFor({ state: 'attached' });
    // Runs that come one after another are drawn at 1, 2, 4, 8 and 12, and not each time.
    const [plots, charts] = [await page.evaluate<number>('plots'), await page.locator('.chart').count()];
    assert.ok(plots <= 6 * charts, `${plots} plots in ${charts} charts`);
    const looks = await page
      .locator('#runs-table .swatch path')
      .evaluateAll((lines) =>
        lines.map((line) => `${line.getAttribute('style')}${line.getAttribute('stroke-dasharray')}`),
      );
    assert.equal(new Set(looks).size, 12);
    assert.equal((await readAt(page, 0, 0.1)).split(' · ').length, 13);
    await assertFits(watched, 375);
    assert.deepEqual((await drawnOn(page)).broken, []);
    // The only run with a best validation figure goes, and so does the column.
    const best = page.locator('#runs-table [data-column="best"]:visible');
    assert.ok((await best.count()) > 0);
    await page.locator('#choose-none').click();
    rmSync(join(runs, 'third'), { recursive: true });
    await page.locator('#runs-number', { hasText: '11 runs' }).waitFor();
    assert.equal(await best.count(), 0);
    assert.deepEqual(faults, []);
    await page.close();
  });
});

/** Nothing is cut: neither the page nor a cell of its lists. */
async function assertFits({ page }: Watched, width: number): Promise<void> {
  assert.ok((await page.evaluate<number>('document.documentElement.scrollWidth')) <= width);
  const ends = await page
    .locator('.reflow td:visible, .reflow th:visible')
    .evaluateAll((cells) => cells.map((cell) => cell.getBoundingClientRect().right));
  assert.ok(ends.length > 0 && Math.max(...ends) <= width, `a cell ends at ${Math.max(...ends)}`);
}
