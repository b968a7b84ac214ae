import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import type { Browser, Page } from 'playwright-core';
import type { WebServer } from '#src/coordinator/observe/web/web-server.js';
import { Inspector } from '#src/inspect/activations/inspector.js';
import { startDrawServer } from '#src/inspect/draw/draw-server.js';
import { compileInspector } from '#src/shared/engine/wasm/exports.js';
import { layoutOf } from '#src/shared/model/layout.js';
import { lenet5 } from '#src/shared/model/lenet5.js';
import { ListenError } from '#src/shared/util/errors.js';
import { skip, startBrowser, watch } from '../../support/browser.ts';
import { Fingers } from '../../support/fingers.ts';
import { DATA, lockstep, type Program, startLockstep } from '../../support/program.ts';
import { randomSamples, randomWeights } from '../../support/reference/random.ts';

const folder = mkdtempSync(join(tmpdir(), 'lockstep-draw-'));
const started: Program[] = [];
after(() => {
  for (const { signal } of started) signal('SIGKILL');
  rmSync(folder, { recursive: true });
});

const model = { name: 'made', step: 1, rbfJ: 0.1, note: 'These weights were made.' };

/** Serves random weights of a head. */
function serve(head: 'softmax' | 'rbf', port = 0, explicit = false): Promise<WebServer> {
  const weights = randomWeights(layoutOf(lenet5(head, model.rbfJ)), 41);
  return startDrawServer({ port, explicit, model: { ...model, head }, weights });
}

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

test('an explicit port that is taken is an error, a default one moves', async (t) => {
  const taken = createServer().listen(0, '127.0.0.1');
  t.after(() => taken.close());
  await new Promise((resolve) => taken.once('listening', resolve));
  const { port } = taken.address() as { port: number };
  await assert.rejects(serve('softmax', port, true), ListenError);
  const server = await serve('softmax', port);
  assert.notEqual(new URL(server.url).port, String(port));
  await server.close();
});

test('draw refuses what is no port, and says what to run where there is no model', () => {
  const bad = lockstep(['draw', '--port', '70000'], { cwd: folder });
  assert.equal(bad.status, 2);
  assert.match(bad.stderr, /--port: expected 0 \(any\) to 65535, but got 70000/);
  const none = lockstep(['draw'], { cwd: folder });
  assert.equal(none.status, 2);
  assert.match(none.stderr, /lockstep train/);
});

describe('the drawing page', { skip }, () => {
  let browser: Browser;
  before(async () => {
    browser = await startBrowser();
  });
  after(() => browser.close());

  for (const head of ['softmax', 'rbf'] as const) {
    test(`computes the bits that Node computes (${head})`, async (t) => {
      const layout = layoutOf(lenet5(head, model.rbfJ));
      const server = await serve(head);
      t.after(() => server.close());
      const { page, faults } = await watch(browser, server.url);
      await page.locator('body[data-ready]').waitFor({ state: 'attached' });
      const inspector = new Inspector(compileInspector(), layout);
      inspector.setWeights(randomWeights(layout, 41));
      for (const { image } of randomSamples(layout, 42, 3)) {
        const { layers, probabilities } = inspector.show(image);
        const bits = [...layers.map(({ values }) => values), probabilities].map((values) =>
          Array.from(new Uint32Array(values.buffer, values.byteOffset, values.length)),
        );
        assert.deepEqual(
          await page.evaluate(`(${IN_PAGE})(${JSON.stringify({ image: [...image], head, rbfJ: model.rbfJ })})`),
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
    const program = startLockstep(['draw', '--run', run, '--port', '0']);
    started.push(program);
    const url = /http:\S+/.exec(await program.said(/draw digits at/))?.[0] as string;
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
      const server = await serve(head);
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
    const server = await serve('softmax');
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
    const server = await serve('softmax');
    t.after(() => server.close());
    const { page } = await watch(browser, server.url);
    t.after(() => page.close());
    await page.locator('#warning', { hasText: model.note }).waitFor({ timeout: 20_000 });
  });

  test('fits a phone, in light and dark', async (t) => {
    const server = await serve('softmax');
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
const IN_PAGE = `async ({ image, head, rbfJ }) => {
  const { Inspector } = await import('/inspect/activations/inspector.js');
  const { layoutOf } = await import('/shared/model/layout.js');
  const { lenet5 } = await import('/shared/model/lenet5.js');
  const [wasm, weights] = await Promise.all(
    ['/inspector.wasm', '/weights'].map((path) => fetch(path).then((response) => response.arrayBuffer())),
  );
  const inspector = new Inspector(await WebAssembly.compile(wasm), layoutOf(lenet5(head, rbfJ)));
  inspector.setWeights(new Float32Array(weights));
  const { layers, probabilities } = inspector.show(Uint8Array.from(image));
  return [...layers.map(({ values }) => values), probabilities].map((values) =>
    Array.from(new Uint32Array(values.buffer, values.byteOffset, values.length)),
  );
}`;
