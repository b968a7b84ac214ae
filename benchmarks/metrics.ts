// npm run bench:metrics                    what a scrape costs a run, and how long /metrics takes to answer
// npm run bench:metrics -- --workers 1 --rounds 20 --seconds 2 --every 1000 --nodes 2
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { median } from '#src/cli/bench/median.js';
import { Session } from './nodes/session.ts';

const { values } = parseArgs({
  options: {
    rounds: { type: 'string', default: '60' },
    seconds: { type: 'string', default: '2' },
    workers: { type: 'string', default: '2' },
    batch: { type: 'string', default: '128' },
    nodes: { type: 'string', default: '0' },
    /** Milliseconds between two scrapes: so few that their cost stands out from the noise. */
    every: { type: 'string', default: '100' },
  },
});
const [rounds, seconds, nodes, every] = [values.rounds, values.seconds, values.nodes, values.every].map(Number) as [
  number,
  number,
  number,
  number,
];
const WARM_UP_STEPS = 200;

const session = new Session({
  batch: Number(values.batch),
  workers: Number(values.workers),
  ...(nodes > 0 ? { listen: '127.0.0.1:0' } : {}),
});
try {
  for (let i = 0; i < nodes; i++) await session.join(1);
  await session.steps(WARM_UP_STEPS);
  await compare();
} finally {
  await session.end();
}

/** Rounds without and with scraping by turns, so that what else the machine does disturbs both alike. */
async function compare(): Promise<void> {
  const speeds: Record<'without' | 'with', number[]> = { without: [], with: [] };
  const answers: number[] = [];
  for (let round = 0; round < rounds; round++) {
    const order = round % 2 === 0 ? (['without', 'with'] as const) : (['with', 'without'] as const);
    for (const kind of order) {
      const stop = new AbortController();
      const scraping = kind === 'with' ? scrape(stop.signal, answers) : undefined;
      speeds[kind].push((await session.measure({ warmup: 0, seconds })).stepsPerSecond);
      stop.abort();
      await scraping;
    }
  }
  const figure = (value: number, digits = 1): string => value.toFixed(digits);
  console.log(
    `| scrapes | steps/s, median of ${rounds} rounds of ${seconds} s | lowest | highest |\n| --- | --- | --- | --- |`,
  );
  for (const [kind, all] of Object.entries(speeds)) {
    console.log(`| ${kind} | ${figure(median(all))} | ${figure(Math.min(...all))} | ${figure(Math.max(...all))} |`);
  }
  const lost = speeds.without.map((speed, round) => 1 - (speeds.with[round] as number) / speed);
  const aScrape = (share: number): string => figure((1000 * seconds * rounds * share) / answers.length);
  const { mean, error } = meanOf(lost);
  console.log(
    `\n${figure(answers.length / rounds / seconds)} scrapes a second cost ${figure(100 * mean)} ± ${figure(100 * error)} % ` +
      `(round by round, mean and standard error; median ${figure(100 * median(lost))} %): ` +
      `each ${aScrape(mean)} ± ${aScrape(error)} ms of training.`,
  );
  console.log(
    `/metrics answers in ${figure(median(answers))} ms (median of ${answers.length}; highest ${figure(Math.max(...answers))}, ` +
      `${answers.filter((each) => each >= 20).length} at 20 ms or more), with ${await session.metricsBytes()} bytes.`,
  );
}

function meanOf(values: readonly number[]): { readonly mean: number; readonly error: number } {
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  const squares = values.reduce((sum, value) => sum + (value - mean) ** 2, 0);
  return { mean, error: Math.sqrt(squares / (values.length - 1) / values.length) };
}

async function scrape(stop: AbortSignal, answers: number[]): Promise<void> {
  while (!stop.aborted) {
    const begin = performance.now();
    await session.metricsBytes();
    answers.push(performance.now() - begin);
    await sleep(every, undefined, { signal: stop }).catch(() => {});
  }
}
