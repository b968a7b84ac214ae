import { setTimeout as pause } from 'node:timers/promises';

/** What doesn't happen within this time never does. */
const EVENT_MS = 90_000;
const POLL_MS = 50;

type Found<T> = T | false | undefined;

/** Polls until `look` finds something. @param what the end of the error's message @throws Error where it takes longer than `limitMs` */
export async function eventually<T>(
  what: () => string,
  look: () => Found<T> | Promise<Found<T>>,
  { limitMs = EVENT_MS, pollMs = POLL_MS } = {},
): Promise<T> {
  const end = performance.now() + limitMs;
  for (;;) {
    const found = await look();
    if (found !== undefined && found !== false) return found;
    if (performance.now() > end) throw new Error(`Expected within ${limitMs / 1000} s that ${what()}`);
    await pause(pollMs);
  }
}
