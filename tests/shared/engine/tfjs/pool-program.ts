// Brings a pool of four tfjs workers up, has each compute and evaluate, and prints the weights' hash after a step.
import { madeDataset } from '../../../support/made-images.ts';
import { Session } from '../../../support/session.ts';

const session = new Session({
  flags: { backend: 'tfjs', workers: 4, batch: 64, shardSize: 8, iterations: 2 },
  dataset: madeDataset(256, 800),
});
try {
  await session.rally();
  const { weightsSha256 } = await session.run();
  if (session.lost.length > 0) throw new Error(`Workers were lost: ${session.lost[0]?.cause.message}`);
  process.stdout.write(`${weightsSha256}\n`);
} finally {
  await session.close();
}
