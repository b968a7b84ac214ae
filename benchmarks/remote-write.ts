// What --remote-write costs the coordinator's thread, against a receiver in a process of its own:
// npm run bench:remote-write
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { RemoteWriter } from '#src/coordinator/observe/remote-write/remote-writer.js';
import { BATCH_STEPS, Batch } from '#src/coordinator/observe/remote-write/step-queue.js';
import { encodeBatch } from '#src/coordinator/observe/remote-write/write-request.js';
import type { StepRecord } from '#src/coordinator/train/observer.js';
import { stepRecord } from '../tests/support/step-record.ts';

const STEPS = 100_000;
const ENCODINGS = 200;
const RECEIVER = `
  const server = require('node:http').createServer((request, response) => {
    request.resume().on('end', () => response.writeHead(204).end());
  });
  server.listen(0, '127.0.0.1', () => console.log(server.address().port));
`;
const labels = { run: '2026-05-04T10-20-30Z-seed-1', attempt: 1 };

function record(step: number): StepRecord {
  // Digits as those of a run: they don't compress.
  const noise = Math.random();
  const timings = { at: 1_764_000_000_000 + 2 * step, total: 0.001 * noise };
  return stepRecord(step, { loss: noise, learningRate: 0.003 * noise, gradientNorm: 2 * noise, timings });
}

/** Milliseconds: the median and the 95th percentile of encoding one full batch. */
function encodingTimes(): { median: number; slow: number } {
  const batch = new Batch({ attempt: 1, mayBeDelivered: false });
  for (let step = 1; step <= BATCH_STEPS; step++) batch.add(record(step));
  const times = Array.from({ length: ENCODINGS }, () => {
    const start = performance.now();
    encodeBatch(batch, { run: labels.run });
    return performance.now() - start;
  }).sort((a, b) => a - b);
  return { median: times[ENCODINGS / 2] ?? Number.NaN, slow: times[Math.floor(0.95 * ENCODINGS)] ?? Number.NaN };
}

/** Microseconds of this process's time for a step: to keep it, and in all, to the receiver's answer. */
async function sendingTimes(url: string): Promise<{ keep: number; all: number }> {
  const writer = new RemoteWriter({ url, ...labels, userAgent: 'lockstep/bench', onNotice: console.error });
  const records = Array.from({ length: STEPS }, (_, i) => record(i + 1));
  const before = process.cpuUsage();
  for (const each of records) writer.onStep(each);
  const kept = process.cpuUsage(before);
  const { dropped } = await writer.finish(new AbortController().signal);
  const { user, system } = process.cpuUsage(before);
  if (dropped > 0) throw new Error(`${dropped} samples were dropped: the receiver was too slow.`);
  return { keep: (kept.user + kept.system) / STEPS, all: (user + system) / STEPS };
}

const { median, slow } = encodingTimes();
const receiver = spawn(process.execPath, ['-e', RECEIVER], { stdio: ['ignore', 'pipe', 'inherit'] });
try {
  const [port] = await once(receiver.stdout, 'data');
  const { keep, all } = await sendingTimes(`http://127.0.0.1:${Number(port)}/`);
  console.log(
    `Encoding ${BATCH_STEPS} steps: ${median.toFixed(2)} ms (median), ${slow.toFixed(2)} ms (95th percentile)`,
  );
  console.log(`A step: ${keep.toFixed(2)} µs to keep, ${all.toFixed(2)} µs in all, of processor time`);
} finally {
  receiver.kill();
}
