// node docker/health.js [URL]: exits with 0 where a coordinator answers there (default: its /healthz).
//
// Without a URL, as the image's HEALTHCHECK calls it, only `lockstep train` is asked, at the port of its --metrics-port or
// LOCKSTEP_METRICS_PORT, and not at all where that is off. A node (`lockstep worker`) serves nothing:
// it is well as long as it runs, since it connects anew by itself and the coordinator gives the work of a silent one to others.
import { readFileSync } from 'node:fs';

const DEFAULT_PORT = '9464';
const WAIT_MS = 4000;

/** Of process 1, which may also be an init that was handed the command. */
function urlOf() {
  const words = readFileSync('/proc/1/cmdline', 'utf8').split('\0');
  if (!words.includes('train')) return undefined;
  const flag = /--metrics-port[= ]([^ ]+)/.exec(words.join(' '));
  const port = flag?.[1] ?? process.env.LOCKSTEP_METRICS_PORT ?? DEFAULT_PORT;
  return port === 'off' ? undefined : `http://127.0.0.1:${port}/healthz`;
}

const url = process.argv[2] ?? urlOf();
if (url !== undefined) {
  try {
    const { ok, status } = await fetch(url, { signal: AbortSignal.timeout(WAIT_MS) });
    if (!ok) throw new Error(`status ${status}`);
  } catch (error) {
    console.error(`${url}: ${error.cause?.message ?? error.message}`);
    process.exitCode = 1;
  }
}
