// The tables of the exchange, as Markdown: what was measured, and what the model computes from it.
import { JOBS, type LinkName, type Measured, predicted, REPLICAS } from './exchange-measurements.ts';
import {
  aloneSeconds,
  bestNodes,
  bytesOneWay,
  efficiency,
  type Job,
  type Parts,
  relayedPeriod,
  type Setting,
  starPeriod,
  workOf,
} from './model.ts';

/** Local steps of the largest round. */
const MAX_STEPS = 4096;
/** Rounds are measured short, so that some fit into a window. */
const COMPUTED: readonly Job[] = JOBS.map((job) =>
  job.name === 'resnet8, rounds of 4' ? { ...job, name: 'resnet8, rounds of 32', syncEvery: 32 } : job,
);
/** Efficiencies that are worth to know. */
const SHARES = [0.5, 0.8, 0.9];
/** Of a round that relayed sums must save before they pay. */
const SAVED = 0.1;

export function printTables(measured: Measured): void {
  print('Parts, measured', partsRows(measured));
  print('Two threads of one process, measured', poolRows(measured));
  print('The model against runs of nodes of one thread that share this machine, measured', checkRows(measured));
  const computed = 'computed, each thread on a core of its own';
  print(`Samples/s and share of communication, ${computed}`, speedRows(measured));
  print(
    `Local steps of a round from which nodes are faster than one machine alone / efficiency of 50 / 80 / 90 %, ${computed}`,
    stepRows(measured),
  );
  print(`64 nodes, a star and relayed sums, ${computed}`, manyRows(measured));
}

type Row = Readonly<Record<string, string | number>>;

function print(title: string, rows: readonly Row[]): void {
  const names = Object.keys(rows[0] ?? {});
  const line = (cells: readonly (string | number)[]): string => `| ${cells.join(' | ')} |`;
  console.log(`\n${title}\n\n${line(names)}\n${line(names.map(() => '---'))}`);
  for (const row of rows) console.log(line(names.map((name) => row[name] ?? '')));
}

function partsRows({ parts, links }: Measured): Row[] {
  const speeds = Object.entries(links).map(([name, bytes]) => `${name}: ${(bytes / 1e6).toFixed(1)} MB/s`);
  console.log(`\nOne TCP connection over the shaped links: ${speeds.join(', ')}`);
  return JOBS.map((job) => {
    const found = partsOf(parts, job);
    return {
      job: job.name,
      'µs a sample': (1e6 * found.sample).toFixed(1),
      'both threads busy': `x ${found.slowdown.toFixed(2)}`,
      'KB a frame': (bytesOneWay(found) / 1000).toFixed(0),
      'coordinator, ms a frame each way': ms(found.frame),
      'node, ms': ms(found.node),
      'rest, ms': ms(found.own),
    };
  });
}

function poolRows({ pools }: Measured): Row[] {
  return JOBS.map(({ name }) => {
    const [one, two] = pools[name] as readonly [number, number];
    return { job: name, 'samples/s, 1 thread': thousands(one), 'samples/s, 2 threads': thousands(two) };
  });
}

function checkRows(measured: Measured): Row[] {
  const errors: number[] = [];
  const rows = measured.checks.map((check) => {
    const { figures, link, nodes, took } = check;
    const model = predicted(measured, jobNamed(check.job), check);
    const error = model / figures.seconds - 1;
    // One node is where the parts come from.
    if (nodes > 1) errors.push(Math.abs(error));
    return {
      job: check.job,
      link,
      nodes,
      'took part': took.toFixed(1),
      'KB down + up': `${(figures.sent / 1000).toFixed(0)} + ${(figures.received / 1000).toFixed(0)}`,
      'measured, ms': ms(figures.seconds),
      'model, ms': ms(model),
      error: `${Math.round(100 * error) + 0} %`,
    };
  });
  const sorted = errors.sort((a, b) => a - b);
  const at = (share: number): string =>
    `${(100 * (sorted[Math.floor(share * (sorted.length - 1))] ?? 0)).toFixed(0)} %`;
  console.log(
    `\nError of the model in ${sorted.length} runs: median ${at(0.5)}, nine of ten at most ${at(0.9)}, highest ${at(1)}`,
  );
  return rows;
}

function speedRows(measured: Measured): Row[] {
  const rows: Row[] = [];
  for (const job of COMPUTED) {
    for (const threads of [1, 4]) {
      for (const [link, bytesPerSecond] of linksOf(measured)) {
        const parts = partsOf(measured.parts, job);
        const setting = { threads, ...workOf(job, REPLICAS), bytesPerSecond };
        const cells = [1, 2, 4, 8].map((nodes) => [
          nodes === 1 ? '1 node' : `${nodes} nodes`,
          speedText(parts, { ...setting, nodes }),
        ]);
        const best = bestNodes(parts, setting, { most: 8 });
        const alone = thousands(setting.samples / aloneSeconds(parts, setting));
        rows.push({ job: job.name, threads, link, alone, ...Object.fromEntries(cells), 'best of 8': best });
      }
    }
  }
  return rows;
}

/** From which H so many nodes are faster than one machine alone, and reach these shares of what they have without communication. */
function stepRows(measured: Measured): Row[] {
  const rows: Row[] = [];
  for (const job of COMPUTED.filter(({ syncEvery }) => syncEvery > 1)) {
    for (const [link, bytesPerSecond] of linksOf(measured)) {
      for (const threads of [1, 4]) {
        const parts = partsOf(measured.parts, job);
        const from = (nodes: number, least: number): string => {
          for (let syncEvery = 2; syncEvery <= MAX_STEPS; syncEvery *= 2) {
            const setting = { nodes, threads, ...workOf({ ...job, syncEvery }, REPLICAS), bytesPerSecond };
            if (efficiency(parts, setting) > least) return String(syncEvery);
          }
          return 'never';
        };
        const cells = [2, 4, 8].map((nodes) => {
          return [`${nodes} nodes`, [1 / nodes, ...SHARES].map((least) => from(nodes, least)).join(' / ')];
        });
        rows.push({ model: job.model, link, 'threads a node': threads, ...Object.fromEntries(cells) });
      }
    }
  }
  return rows;
}

function manyRows(measured: Measured): Row[] {
  const rows: Row[] = [];
  for (const job of COMPUTED) {
    for (const [link, bytesPerSecond] of linksOf(measured)) {
      const parts = partsOf(measured.parts, job);
      const setting = { threads: 1, ...workOf(job, 64), bytesPerSecond };
      const relayed = { most: 64, period: relayedPeriod };
      rows.push({
        job: job.name,
        link,
        'star, 64 nodes': speedText(parts, { ...setting, nodes: 64 }),
        'relayed, 64 nodes': speedText(parts, { ...setting, nodes: 64 }, relayedPeriod),
        'best star': bestNodes(parts, setting, { most: 64 }),
        'best relayed': bestNodes(parts, setting, relayed),
        'relaying saves 10 % from': relayingFrom(parts, { threads: 1, bytesPerSecond }, job),
      });
    }
  }
  return rows;
}

/** The fewest nodes, a power of two with a share of the job each, whose period is a tenth shorter with relayed sums. */
function relayingFrom(parts: Parts, setting: Pick<Setting, 'threads' | 'bytesPerSecond'>, job: Job): string {
  for (let nodes = 2; nodes <= 1024; nodes *= 2) {
    const all = { ...setting, nodes, ...workOf(job, nodes) };
    if (relayedPeriod(parts, all).total < (1 - SAVED) * starPeriod(parts, all).total) return `${nodes} nodes`;
  }
  return 'never';
}

function speedText(parts: Parts, setting: Setting, period = starPeriod): string {
  const { total, communication } = period(parts, setting);
  return `${thousands(setting.samples / total)} (${(100 * communication).toFixed(0)} %)`;
}

/** Bytes a second of the links that were measured, and of one that is ten times as fast as the fastest. */
function linksOf({ links }: Measured): [LinkName | '10 Gbit/s', number][] {
  return [
    ['100 Mbit/s', links['100 Mbit/s']],
    ['1 Gbit/s', links['1 Gbit/s']],
    ['10 Gbit/s', 10 * links['1 Gbit/s']],
  ];
}

/** What was measured of a job of the same model in the same way. */
function partsOf(parts: Measured['parts'], { model, syncEvery }: Job): Parts {
  const measured = JOBS.find((job) => job.model === model && job.syncEvery > 1 === syncEvery > 1) as Job;
  return parts[measured.name] as Parts;
}

function jobNamed(name: string): Job {
  return JOBS.find((job) => job.name === name) as Job;
}

function thousands(value: number): string {
  return Math.round(value).toLocaleString('en');
}

function ms(seconds: number): string {
  return (1000 * seconds).toFixed(2);
}
