import assert from 'node:assert/strict';
import { test } from 'node:test';
import { skip, startPrometheus } from './prometheus-server.ts';

test('a real Prometheus starts, answers and stops', { skip }, async (t) => {
  const server = await startPrometheus();
  t.after(() => server.stop());
  const [series] = await server.query('vector(42)');
  assert.equal(series?.value?.[1], '42');
  await assert.rejects(server.query('vector('), /parse error/);
  await server.stop();
  await assert.rejects(fetch(server.url));
  await assert.rejects(startPrometheus({ config: 'nonsense: 1' }), /field nonsense not found/);
});
