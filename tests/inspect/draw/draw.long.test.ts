import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { encode } from 'fast-png';
import type { Browser, Page } from 'playwright-core';
import { Inspector } from '#src/inspect/activations/inspector.js';
import { prepare } from '#src/inspect/images/prepare.js';
import { compileInspector } from '#src/shared/engine/wasm/exports.js';
import { layoutOf } from '#src/shared/model/layout.js';
import { specOf } from '#src/shared/model/registry.js';
import { skip, startBrowser, watch } from '../../support/browser.ts';
import { Fingers } from '../../support/fingers.ts';
import { lookedAtSamples, lookedAtWeights } from '../../support/inspector.ts';
import { lenet5 } from '../../support/models.ts';
import { DATA, lockstep, type Program, startLockstep } from '../../support/program.ts';
import { model, serve } from './serve.ts';

const folder = mkdtempSync(join(tmpdir(), 'lockstep-draw-'));
const started: Program[] = [];
after(() => {
  for (const { signal } of started) signal('SIGKILL');
  rmSync(folder, { recursive: true });
});

/** Strokes through places of the pad, 0 to 1 along both axes. */
async function stroke(page: Page, places: readonly (readonly [number, number])[]): Promise<void> {
  const box = await page.locator('#pad').boundingBox();
  assert.ok(box !== null);
  for (const [i, [x, y]] of places.entries()) {
    await page.mouse.move(box.x + x * box.width, box.y + y * box.height, { steps: i === 0 ? 1 : 12 });
    if (i === 0) await page.mouse.down();
  }
  await page.mouse.up();
}

/** A layer's picture, as the page drew it. */
function mapOf(page: Page, layer: string): Promise<string> {
  return page.locator(`#${layer}`).evaluate((canvas) => (canvas as unknown as { toDataURL(): string }).toDataURL());
}

/** Whether there is ink at places along a row of the pad, 0 to 1 along both axes. */
function inkAt(page: Page, columns: readonly number[], row: number): Promise<boolean[]> {
  return page.evaluate<boolean[]>(`(() => {
    const pad = document.getElementById('pad');
    const ink = (x) => pad.getContext('2d').getImageData(x * pad.width, ${row} * pad.height, 1, 1).data[0] < 128;
    return ${JSON.stringify(columns)}.map(ink);
  })()`);
}

/** Where each panel is, and each picture in it. */
function boxesOf(page: Page): Promise<string[]> {
  return page.evaluate<string[]>(
    "[...document.querySelectorAll('.panel, .map')].map((each) => JSON.stringify(each.getBoundingClientRect()))",
  );
}

/** The class whose square of the output is brightest. */
function brightest(page: Page): Promise<number> {
  return page.evaluate<number>(`(() => {
    const output = document.getElementById('output');
    const { data } = output.getContext('2d').getImageData(0, 0, 10, 1);
    const light = Array.from({ length: 10 }, (_, i) => data[4 * i] + data[4 * i + 1] + data[4 * i + 2]);
    return light.indexOf(Math.max(...light));
  })()`);
}

function predicted(page: Page, digit: RegExp): Promise<void> {
  return page.locator('#prediction', { hasText: digit }).waitFor({ timeout: 20_000 });
}

describe('the drawing page', { skip }, () => {
  let browser: Browser;
  before(async () => {
    browser = await startBrowser();
  });
  after(() => browser.close());

  for (const head of ['softmax', 'rbf'] as const) {
    test(`computes the bits that Node computes (${head})`, async (t) => {
      const layout = layoutOf(lenet5(head));
      const server = await serve(lenet5(head));
      t.after(() => server.close());
      const { page, faults } = await watch(browser, server.url);
      await page.locator('body[data-ready]').waitFor({ state: 'attached' });
      const inspector = new Inspector(compileInspector(), layout);
      inspector.setWeights(lookedAtWeights(layout, 41));
      for (const seed of [42, 43, 44]) {
        const image = lookedAtSamples(layout, seed, 1);
        const { layers, probabilities } = inspector.show(image);
        const bits = [...layers.map(({ values }) => values), probabilities as Float32Array].map((values) =>
          Array.from(new Uint32Array(values.buffer, values.byteOffset, values.length)),
        );
        assert.deepEqual(
          await page.evaluate(`(${IN_PAGE})(${JSON.stringify({ image: [...image], spec: lenet5(head) })})`),
          bits,
        );
      }
      assert.deepEqual(faults, []);
    });
  }

  test('follows the strokes: a vertical one is a 1, and every map changes', { timeout: 180_000 }, async () => {
    const run = join(folder, 'run');
    const trained = lockstep([
      'train',
      ...DATA,
      '--out',
      run,
      '--iterations',
      '300',
      '--workers',
      '1',
      '--metrics-port',
      'off',
    ]);
    assert.equal(trained.status, 0, trained.stderr);
    const program = startLockstep(['draw', run, '--port', '0']);
    started.push(program);
    const url = /http:\S+/.exec(await program.said(/draw at/))?.[0] as string;
    const { page, faults } = await watch(browser, url, { viewport: { width: 1280, height: 900 } });
    await page.locator('body[data-ready]').waitFor({ state: 'attached' });
    const layers = ['c1', 's2', 'c3', 's4', 'c5', 'f6', 'output', 'input'];
    await stroke(page, [
      [0.5, 0.15],
      [0.5, 0.85],
    ]);
    await predicted(page, /^1$/);
    const ones = await Promise.all(layers.map((layer) => mapOf(page, layer)));
    await page.keyboard.press('Delete');
    await predicted(page, /^–$/);
    await stroke(page, [
      [0.25, 0.2],
      [0.75, 0.2],
      [0.4, 0.85],
    ]);
    await predicted(page, /^7$/);
    const sevens = await Promise.all(layers.map((layer) => mapOf(page, layer)));
    for (const [i, layer] of layers.entries()) assert.notEqual(sevens[i], ones[i], layer);
    await page.locator('#clear').click();
    await predicted(page, /^–$/);
    assert.deepEqual(faults, []);
    program.signal('SIGTERM');
  });

  for (const head of ['softmax', 'rbf'] as const) {
    test(`has a key of its pictures, and nothing moves at the first stroke (${head})`, async (t) => {
      const server = await serve(lenet5(head));
      t.after(() => server.close());
      for (const width of [1280, 400]) {
        const { page, faults } = await watch(browser, server.url, { viewport: { width, height: 900 } });
        await page.locator('body[data-ready]').waitFor({ state: 'attached' });
        const empty = await boxesOf(page);
        await stroke(page, [
          [0.3, 0.2],
          [0.6, 0.8],
        ]);
        await predicted(page, /^\d$/);
        assert.deepEqual(await boxesOf(page), empty);
        const prediction = await page.locator('#prediction').textContent();
        assert.deepEqual(await page.locator('.classes li').allTextContents(), [...'0123456789']);
        assert.deepEqual(await page.locator('.classes [data-best]').allTextContents(), [prediction]);
        for (const bar of await page.locator('.layers .bar').allTextContents()) assert.match(bar, /\d/);
        if (head === 'rbf') {
          assert.equal(await brightest(page), Number(prediction));
          assert.match((await page.locator('.pair').textContent()) ?? '', new RegExp(`nearest target: ${prediction}$`));
        }
        assert.deepEqual(faults, []);
        await page.close();
      }
    });
  }

  test('a finger draws and is predicted, and a second one draws by itself', async (t) => {
    const server = await serve(lenet5('softmax'));
    t.after(() => server.close());
    const { page, faults } = await watch(browser, server.url, {
      viewport: { width: 400, height: 800 },
      hasTouch: true,
      isMobile: true,
    });
    await page.locator('body[data-ready]').waitFor({ state: 'attached' });
    const box = await page.locator('#pad').boundingBox();
    assert.ok(box !== null);
    const finger = (id: number, x: number, y: number) => ({ id, x: box.x + x * box.width, y: box.y + y * box.height });
    const fingers = await Fingers.on(page);
    await fingers.drag(finger(0, 0.2, 0.2), finger(0, 0.2, 0.8));
    await predicted(page, /^\d$/);
    assert.equal(await page.evaluate('scrollY'), 0);
    assert.deepEqual(await inkAt(page, [0.2, 0.5, 0.8], 0.5), [true, false, false]);
    await page.locator('#clear').click();
    await fingers.place(finger(0, 0.2, 0.2));
    await fingers.place(finger(0, 0.2, 0.2), finger(1, 0.8, 0.2));
    for (const y of [0.4, 0.6, 0.8]) await fingers.place(finger(0, 0.2, y), finger(1, 0.8, y));
    await fingers.place();
    assert.deepEqual(await inkAt(page, [0.2, 0.5, 0.8], 0.5), [true, false, true]);
    assert.deepEqual(faults, []);
    await page.close();
  });

  test('says what one must know of the weights', async (t) => {
    const server = await serve(lenet5('softmax'));
    t.after(() => server.close());
    const { page } = await watch(browser, server.url);
    t.after(() => page.close());
    await page.locator('#warning', { hasText: model.note }).waitFor({ timeout: 20_000 });
  });

  test('a picture in colour is taken as predict takes it, and scaled for the network', async (t) => {
    const spec = specOf(
      { model: 'resnet8', head: 'softmax', rbfJ: 0.1 },
      { maps: 3, height: 16, width: 16, classes: 7 },
    );
    const server = await serve(spec);
    t.after(() => server.close());
    const data = Uint8Array.from({ length: 3 * 40 * 30 }, (_, i) => (i * 7919) % 256);
    const pixels = { width: 40, height: 30, channels: 3, data } as const;
    const file = join(folder, 'colours.png');
    writeFileSync(file, encode(pixels));
    const inspector = new Inspector(compileInspector(), layoutOf(spec));
    inspector.setWeights(lookedAtWeights(inspector.layout, 41));
    const prepared = prepare(pixels, inspector.layout.input, { kind: 'ink' });
    assert.ok('sample' in prepared);
    const { prediction } = inspector.show(prepared.sample);
    for (const width of [1280, 360]) {
      const { page, faults } = await watch(browser, server.url, { viewport: { width, height: 800 } });
      await page.locator('body[data-ready]').waitFor({ state: 'attached' });
      assert.equal(await page.locator('#pad').isVisible(), false);
      await page.locator('#file').setInputFiles(file);
      await predicted(page, new RegExp(`^${prediction}$`));
      const painted = await page.evaluate<number[]>(`(() => {
        const canvas = document.getElementById('input');
        return [...canvas.getContext('2d').getImageData(0, 0, 16, 16).data].filter((_, i) => i % 4 < 3);
      })()`);
      const sample: Uint8Array = prepared.sample;
      assert.deepEqual(
        painted,
        Array.from({ length: 3 * 256 }, (_, i) => sample[(i % 3) * 256 + Math.floor(i / 3)]),
      );
      const panels = await page.locator('.layers h2').allTextContents();
      assert.deepEqual([panels[0], panels[3], panels.at(-1)], ['stem 16@16×16', 'block1 16@16×16', 'output 7 units']);
      assert.equal(await page.evaluate('document.documentElement.scrollWidth'), width);
      await page.locator('#file').setInputFiles({ name: 'text.png', mimeType: 'image/png', buffer: Buffer.from('no') });
      await page.locator('#warning', { hasText: /^text.png isn't a picture/ }).waitFor({ timeout: 20_000 });
      assert.deepEqual(faults, []);
      await page.close();
    }
  });

  test('says that nothing can be drawn for samples that are no pictures', async (t) => {
    const server = await serve(
      specOf({ model: 'mlp', head: 'softmax', rbfJ: 0.1 }, { maps: 5, height: 1, width: 1, classes: 3 }),
    );
    t.after(() => server.close());
    const { page, faults } = await watch(browser, server.url);
    t.after(() => page.close());
    await page
      .locator('#warning', { hasText: 'Nothing can be drawn here: the network takes samples of 5@1x1' })
      .waitFor();
    assert.equal(await page.locator('.panel:visible').count(), 0);
    assert.deepEqual(faults, []);
  });

  test('fits a phone, in light and dark', async (t) => {
    const server = await serve(lenet5('softmax'));
    t.after(() => server.close());
    for (const colorScheme of ['light', 'dark'] as const) {
      const { page, faults } = await watch(browser, server.url, { viewport: { width: 360, height: 740 }, colorScheme });
      await page.locator('body[data-ready]').waitFor({ state: 'attached' });
      await stroke(page, [
        [0.3, 0.3],
        [0.6, 0.7],
      ]);
      await predicted(page, /\d/);
      assert.equal(await page.evaluate('document.documentElement.scrollWidth'), 360);
      assert.equal(await page.evaluate('document.documentElement.dataset.theme'), colorScheme);
      assert.deepEqual(faults, []);
      await page.close();
    }
  });
});

/** In the page: its own modules, with the server's weights; every layer's bits and the probabilities'. */
const IN_PAGE = `async ({ image, spec }) => {
  const { Inspector } = await import('/inspect/activations/inspector.js');
  const { layoutOf } = await import('/shared/model/layout.js');
  const [wasm, weights] = await Promise.all(
    ['/inspector.wasm', '/weights'].map((path) => fetch(path).then((response) => response.arrayBuffer())),
  );
  const inspector = new Inspector(await WebAssembly.compile(wasm), layoutOf(spec));
  inspector.setWeights(new Float32Array(weights));
  const { layers, probabilities } = inspector.show(Uint8Array.from(image));
  return [...layers.map(({ values }) => values), probabilities].map((values) =>
    Array.from(new Uint32Array(values.buffer, values.byteOffset, values.length)),
  );
}`;
