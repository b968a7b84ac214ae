// Preloaded by `node --import`: throws from a timer of the main thread, where nothing catches it, once the run of RUN has taken steps.
import { statSync } from 'node:fs';
import { join } from 'node:path';
import { isMainThread } from 'node:worker_threads';

const POLL_MS = 20;

if (isMainThread) {
  const timer = setInterval(() => {
    const log = statSync(join(String(process.env.RUN), 'steps.jsonl'), { throwIfNoEntry: false });
    if (log === undefined || log.size === 0) return;
    clearInterval(timer);
    throw new Error('thrown by a timer');
  }, POLL_MS);
}
