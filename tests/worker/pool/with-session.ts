import type { Fault } from '#src/worker/pool/faults.js';
import { madeDataset } from '../../support/made-images.ts';
import { Session } from '../../support/session.ts';

/** A test that is still going by then hangs. */
export const HANGS = { timeout: 300_000 };
/** Longer than any test waits. */
export const FOREVER_MS = 600_000;

// Many chunks of test images, the last one smaller.
export const dataset = madeDataset(600, 4050);
const FLAGS = { batch: 112, shardSize: 8, iterations: 100 };

/** Runs `body` with an engine, and closes it. */
export async function withSession<T>(
  { workers, faults = [] }: { workers: number; faults?: readonly Fault[] },
  body: (session: Session) => Promise<T>,
): Promise<T> {
  const session = new Session({ flags: { ...FLAGS, workers }, dataset, faults });
  try {
    return await body(session);
  } finally {
    await session.close();
  }
}
