// node docker/health.js [URL]: exits with 0 where a coordinator answers there (default: its /healthz on port 9464).
//
// Without a URL, as the image's HEALTHCHECK calls it, only `lockstep train` is asked. A node (`lockstep worker`) serves nothing:
// it is well as long as it runs, since it connects anew by itself and the coordinator gives the work of a silent one to others.
import { readFileSync } from 'node:fs';

const DEFAULT_URL = 'http://127.0.0.1:9464/healthz';
const WAIT_MS = 4000;

/** Process 1 of a container may also be an init that was handed the command. */
function trains() {
  return readFileSync('/proc/1/cmdline', 'utf8').split('\0').includes('train');
}

const url = process.argv[2] ?? (trains() ? DEFAULT_URL : undefined);
if (url !== undefined) {
  try {
    const { ok, status } = await fetch(url, { signal: AbortSignal.timeout(WAIT_MS) });
    if (!ok) throw new Error(`status ${status}`);
  } catch (error) {
    console.error(`${url}: ${error.cause?.message ?? error.message}`);
    process.exitCode = 1;
  }
}
