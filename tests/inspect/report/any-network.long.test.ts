import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { pathToFileURL } from 'node:url';
import type { Browser } from 'playwright-core';
import { skip, startBrowser, watch } from '../../support/browser.ts';
import { headReport, manyClassesReport, presetReport } from './small-report.ts';

const folder = mkdtempSync(join(tmpdir(), 'lockstep-any-network-'));
after(() => rmSync(folder, { recursive: true }));

const LETTERS = Array.from({ length: 26 }, (_, i) => String.fromCharCode(97 + i));

const REPORTS = {
  'a residual net': () =>
    presetReport('resnet8', { maps: 3, height: 16, width: 16 }, [
      'a class of a long name',
      'b',
      'c',
      'd',
      'e',
      'f',
      'g',
    ]),
  'a perceptron on vectors': () => presetReport('mlp', { maps: 20, height: 1, width: 1 }, LETTERS),
  'a network of 1,000 classes': () => manyClassesReport(1000),
  'a network with labels': () => headReport('sigmoid', 'labels', ['odd', 'low']),
  'a network with numbers': () => headReport('mse', 'values', ['height', 'map']),
};

describe('in a browser, the report of', { skip }, () => {
  let browser: Browser;
  before(async () => {
    browser = await startBrowser();
  });
  after(() => browser?.close());

  for (const [name, make] of Object.entries(REPORTS)) {
    test(`${name} fits wide and narrow windows, light and dark, and says in words what it shows`, async () => {
      const file = join(folder, `${name}.html`);
      writeFileSync(file, make().page);
      for (const width of [1280, 360]) {
        for (const colorScheme of ['light', 'dark'] as const) {
          const options = { viewport: { width, height: 800 }, colorScheme };
          const { page, faults } = await watch(browser, pathToFileURL(file).href, options);
          assert.ok((await page.evaluate<number>('document.documentElement.scrollWidth')) <= width);
          assert.equal(await page.locator('img:not([alt]), img[alt=""]').count(), 0);
          assert.equal(await page.locator('svg:not([role="img"][aria-label])').count(), 0);
          assert.equal(await page.locator('table:not(:has(> caption))').count(), 0);
          assert.ok((await page.locator('#charts .uplot').count()) > 0);
          // Panels hold what they show, or scroll it.
          const beyond = await page.evaluate<string[]>(`[...document.querySelectorAll('.panel > *')]
            .filter((each) => each.getBoundingClientRect().right > each.parentElement.getBoundingClientRect().right + 1)
            .map(({ tagName, className }) => tagName + '.' + className)`);
          assert.deepEqual(beyond, []);
          assert.deepEqual(faults, []);
          await page.close();
        }
      }
    });
  }
});
