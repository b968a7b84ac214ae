// npm run bench:draw        the drawing page in Chromium: from a move of the pointer until every map is painted
import { startDrawServer } from '#src/inspect/draw/draw-server.js';
import { layoutOf } from '#src/shared/model/layout.js';
import { startBrowser, watch } from '../tests/support/browser.ts';
import { lookedAtWeights } from '../tests/support/inspector.ts';
import { lenet5 } from '../tests/support/models.ts';

const MOVES = 200;

/** Text, since it runs in the browser: a message that is posted in a frame arrives when the frame has been painted. */
const MEASURE = `
  window.taken = [];
  let moved;
  const { port1, port2 } = new MessageChannel();
  port1.onmessage = () => taken.push(performance.now() - moved);
  document.getElementById('pad').addEventListener('pointermove', ({ timeStamp }) => {
    moved = timeStamp;
    requestAnimationFrame(() => port2.postMessage(''));
  });
`;

const browser = await startBrowser();
for (const head of ['softmax', 'rbf'] as const) {
  const spec = lenet5(head);
  const weights = lookedAtWeights(layoutOf(spec), 41);
  const model = { name: 'random', step: 0, spec, preparation: { kind: 'ink' } } as const;
  const server = await startDrawServer({ port: 0, explicit: false, model, weights });
  const { page, faults } = await watch(browser, server.url, { viewport: { width: 1280, height: 1280 } });
  await page.locator('body[data-ready]').waitFor({ state: 'attached' });
  await page.evaluate(MEASURE);
  const box = await page.locator('#pad').boundingBox();
  if (box === null) throw new Error('The page shows no pad.');
  await page.mouse.move(box.x + box.width / 2, box.y + box.height / 2);
  await page.mouse.down();
  await page.evaluate('taken.length = 0');
  for (let i = 1; i <= MOVES; i++) {
    const angle = (2 * Math.PI * i) / 50;
    const place = (turn: number): number => 0.5 + 0.35 * turn;
    await page.mouse.move(box.x + place(Math.cos(angle)) * box.width, box.y + place(Math.sin(angle)) * box.height);
    await page.waitForFunction(`taken.length >= ${i}`);
  }
  const sorted = (await page.evaluate<number[]>('taken')).sort((a, b) => a - b);
  const at = (share: number): string => `${(sorted[Math.ceil(share * sorted.length) - 1] ?? Number.NaN).toFixed(1)} ms`;
  console.log(`${head}: ${sorted.length} moves; median ${at(0.5)}, 95 % within ${at(0.95)}, longest ${at(1)}`);
  for (const fault of faults) console.log(fault);
  await server.close();
}
await browser.close();
