import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, it } from 'node:test';
import { pathToFileURL } from 'node:url';
import { TaskPool } from '#src/shared/util/task-pool.js';

const folder = mkdtempSync(join(tmpdir(), 'lockstep-task-pool-'));
after(() => rmSync(folder, { recursive: true }));

it('a task that never ends, throws, or ends its thread is that task’s problem alone', async () => {
  const thread = join(folder, 'thread.mjs');
  writeFileSync(
    thread,
    `import { workerData } from 'node:worker_threads';
    const tasks = { ever: () => { for (;;); }, error: () => { throw new Error('no'); }, exit: () => process.exit(3) };
    export const work = (task) => tasks[task]?.() ?? task + workerData;`,
  );
  const options = { filename: pathToFileURL(thread).href, name: 'work', doing: 'it', seconds: 1, workerData: '!' };
  const pool = new TaskPool<string, string>(options, 1);
  const results: string[] = [];
  try {
    for await (const result of pool.run(['one', 'ever', 'two', 'error', 'exit', 'three'], (_, problem) => problem)) {
      results.push(result);
    }
  } finally {
    await pool.close();
  }
  assert.deepEqual(
    results.filter((_, i) => i !== 4),
    ['one!', 'it takes more than 1 seconds', 'two!', 'it failed (no)', 'three!'],
  );
  assert.match(results[4] as string, /^it failed \(/);
});
