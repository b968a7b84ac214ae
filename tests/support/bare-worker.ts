// A worker process without a data set of its own.
import { mkdtempSync } from 'node:fs';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { type Program, startLockstep } from './program.ts';

/** Starts a worker of one thread, with a cache of its own below `folder`. It is ended with the test. */
export function bareWorker(t: TestContext, folder: string, url: string, flags: readonly string[] = []): Program {
  const env = { MNIST_DIR: '', XDG_CACHE_HOME: mkdtempSync(join(folder, 'cache-')) };
  const program = startLockstep(['worker', '--connect', url, '--threads', '1', ...flags], env);
  t.after(async () => {
    program.signal('SIGKILL');
    await program.ended;
  });
  return program;
}
