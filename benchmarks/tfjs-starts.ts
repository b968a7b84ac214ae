// npm run starts             10 starts of a pool of four tfjs workers, each in a process of its own
// npm run starts -- 100
import { failedStarts } from '../tests/shared/engine/tfjs/starts.ts';

const starts = Number(process.argv[2] ?? 10);
if (!Number.isSafeInteger(starts) || starts < 1) throw new Error('Expected how many starts to make, such as 100.');
const failed = await failedStarts(starts, (start, reason, seconds) => {
  process.stdout.write(`${start}/${starts}  ${seconds.toFixed(1)} s  ${reason ?? 'ok'}\n`);
});
process.stdout.write(`${failed.length} of ${starts} starts failed\n`);
process.exitCode = failed.length === 0 ? 0 : 1;
