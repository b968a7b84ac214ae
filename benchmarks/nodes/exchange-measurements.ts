// Measures the parts of steps and rounds over nodes, and runs to check the model against.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { benchDataset } from '#src/cli/bench/images.js';
import { median } from '#src/cli/bench/median.js';
import { packedPieces } from '#src/shared/data/pack.js';
import type { ModelLayout } from '#src/shared/model/layout.js';
import { modelOf } from '#src/shared/model/registry.js';
import { newToken } from '#src/shared/util/token.js';
import { linkBytesPerSecond } from './link-speed.ts';
import { bytesOneWay, type Job, type Parts, starPeriod, workOf } from './model.ts';
import { type PeriodFigures, type Place, Session } from './session.ts';
import { ShapedNamespace } from './veth.ts';

/** Of Adam's state: weights and two moments. */
const STATE_VECTORS = 3;
/** Of a measured job; a synchronous step has as many samples as they have together. */
export const REPLICAS = 8;
/** Of this machine. */
const PROCESSORS = 2;
/** Samples like CIFAR-10's: their values change no time. */
const COLOUR = { maps: 3, height: 32, width: 32, classes: 10 };
const NODES = [1, 2, 4, 8];
/** As runs are measured; `burst` is small, or a whole frame would pass the limit of the rate at once. */
const LINKS = {
  '1 Gbit/s': { rate: '1gbit', burst: '64kb', bytes: 1e8 },
  '100 Mbit/s': { rate: '100mbit', burst: '16kb', bytes: 2e7 },
} as const;

export type LinkName = keyof typeof LINKS;

export const JOBS: readonly Job[] = [
  { name: 'lenet5, steps', model: 'lenet5', samples: 64, syncEvery: 1 },
  { name: 'lenet5, rounds of 32', model: 'lenet5', samples: 64, syncEvery: 32 },
  { name: 'resnet8, steps', model: 'resnet8', samples: 16, syncEvery: 1 },
  { name: 'resnet8, rounds of 4', model: 'resnet8', samples: 16, syncEvery: 4 },
];

/** A run of nodes of one thread on this machine, against the model. */
export interface Check {
  readonly job: string;
  readonly link: 'loopback' | LinkName;
  readonly nodes: number;
  /** Nodes that a period had on average: the coordinator leaves out those that would make it longer. */
  readonly took: number;
  /** Sums that each of these sent: two where their measured speeds are not equal, more if work was repeated. */
  readonly sums: number;
  readonly figures: PeriodFigures;
}

export interface Runs {
  readonly links: Readonly<Record<LinkName, number>>;
  /** Samples a second of one process alone, by the job's name: with one worker thread and with two. */
  readonly pools: Readonly<Record<string, readonly [number, number]>>;
  readonly checks: readonly Check[];
}

export interface Measured extends Runs {
  /** By the job's name. */
  readonly parts: Readonly<Record<string, Parts>>;
}

export interface MeasureOptions {
  /** Of each window. */
  readonly seconds: number;
  /** Of pools, interleaved. */
  readonly rounds: number;
}

/** Measures everything; Linux, root. */
export async function measureExchange(options: MeasureOptions): Promise<Runs> {
  const folder = mkdtempSync(join(tmpdir(), 'lockstep-pictures-'));
  const data = join(folder, 'pictures.safetensors');
  process.env.LOCKSTEP_TOKEN = newToken();
  try {
    const classNames = Array.from({ length: COLOUR.classes }, (_, i) => `class ${i}`);
    writeFileSync(data, Buffer.concat(packedPieces({ ...benchDataset(layoutOf('resnet8')), classNames })));
    const pools = await measurePools(options, data);
    const links: Partial<Record<LinkName, number>> = {};
    const checks = await measureRuns(options, data, { link: 'loopback', listen: '127.0.0.1:0', place: [] });
    for (const [name, { rate, burst, bytes }] of Object.entries(LINKS) as [LinkName, (typeof LINKS)[LinkName]][]) {
      const link = new ShapedNamespace(rate, burst);
      try {
        links[name] = await linkBytesPerSecond(link.address, link.place, bytes);
        checks.push(
          ...(await measureRuns(options, data, { link: name, listen: `${link.address}:0`, place: link.place })),
        );
      } finally {
        link.remove();
      }
    }
    return { links: links as Runs['links'], pools, checks };
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** What was measured, with the parts of each job's period. */
export function withParts(runs: Runs): Measured {
  return { ...runs, parts: Object.fromEntries(JOBS.map((job) => [job.name, partsOf(job, runs)])) };
}

/** Predicted seconds of a measured run, over the nodes that took part, which share this machine's processors. */
export function predicted({ links, parts }: Measured, job: Job, { link, took, sums }: Check): number {
  const setting = { nodes: took, sums, threads: 1, ...workOf(job, REPLICAS), processors: PROCESSORS };
  const bytesPerSecond = link === 'loopback' ? Number.POSITIVE_INFINITY : links[link];
  return starPeriod(parts[job.name] as Parts, { ...setting, bytesPerSecond }).total;
}

function flagsOf({ model, samples, syncEvery }: Job, data: string): string[] {
  const rounds = ['--replicas', String(REPLICAS), '--sync-every', String(syncEvery)];
  return [
    ...['--model', model, '--batch', String(REPLICAS * samples)],
    ...(syncEvery === 1 ? [] : rounds),
    ...(model === 'lenet5' ? [] : ['--data', data]),
  ];
}

/** One process without nodes, of one worker thread and of two, interleaved. */
async function measurePools({ rounds, seconds }: MeasureOptions, data: string): Promise<Runs['pools']> {
  const speeds = new Map<string, [number[], number[]]>(JOBS.map(({ name }) => [name, [[], []]]));
  for (let round = 0; round < rounds; round++) {
    for (const job of JOBS) {
      for (const workers of [1, 2]) {
        const session = new Session({ batch: REPLICAS * job.samples, workers, flags: flagsOf(job, data) });
        try {
          const window = await session.measurePeriods({ steps: job.syncEvery, warmup: 4, seconds, least: 4 });
          speeds.get(job.name)?.[workers - 1]?.push(workOf(job, REPLICAS).samples / window.seconds);
        } finally {
          await session.end();
        }
      }
    }
  }
  return Object.fromEntries([...speeds].map(([name, [one, two]]) => [name, [median(one), median(two)] as const]));
}

interface Where {
  readonly link: Check['link'];
  readonly listen: string;
  readonly place: Place;
}

async function measureRuns({ seconds }: MeasureOptions, data: string, where: Where): Promise<Check[]> {
  const { link, listen, place } = where;
  const checks: Check[] = [];
  for (const job of JOBS) {
    const flags = [...flagsOf(job, data), '--plaintext'];
    const session = new Session({ batch: REPLICAS * job.samples, workers: 0, listen, flags });
    try {
      for (const nodes of NODES) {
        const args = job.model === 'lenet5' ? [] : ['--data', data];
        while (session.nodes.length < nodes) await session.join(1, { place, args });
        const warmup = job.syncEvery === 1 ? 20 : 5;
        const figures = await session.measurePeriods({ steps: job.syncEvery, warmup, seconds, least: 4 });
        const took = figures.sent / bytesOneWay(shapeOf(job));
        checks.push({ job: job.name, link, nodes, took, sums: figures.received / figures.sent, figures });
        console.log(JSON.stringify(checks.at(-1)));
      }
    } finally {
      await session.end();
    }
  }
  return checks;
}

function layoutOf(model: string): ModelLayout {
  return modelOf({ model, head: 'softmax', rbfJ: 0.1 }, model === 'lenet5' ? undefined : COLOUR);
}

function shapeOf({ model, syncEvery }: Job): Parts {
  const { parameters } = layoutOf(model);
  const vectors = syncEvery === 1 ? 1 : STATE_VECTORS;
  return { parameters, vectors, sample: 0, slowdown: 1, frame: 0, node: 0, own: 0 };
}

/** The parts of a job's period: from the runs with one node over each link, and from the coordinator's processor time over loopback. */
function partsOf(job: Job, { links, pools, checks }: Runs): Parts {
  const [one, two] = pools[job.name] as readonly [number, number];
  const own = checks.filter((check) => check.job === job.name);
  const singles = own.filter(({ nodes }) => nodes === 1);
  const medianOf = (value: (check: Check) => number): number => median(singles.map(value));
  const exchange = medianOf(({ link, figures }) => {
    const bytes = figures.sent + figures.received;
    return figures.seconds - figures.computing - (link === 'loopback' ? 0 : bytes / links[link]);
  });
  const points = own
    .filter(({ link }) => link === 'loopback')
    .map(({ took, sums, figures }) => [(took * (1 + sums)) / 2, figures.coordinatorProcessor] as const);
  // What runs beside others takes longer, so processor times are at most what one node's exchange takes.
  const frame = Math.min(exchange, Math.max(0, slopeOf(points)));
  const node = medianOf(({ figures }) => figures.nodesProcessor - figures.computing);
  const nodePart = Math.min(exchange - frame, Math.max(0, node));
  return {
    ...shapeOf(job),
    sample: medianOf(({ figures }) => figures.computing) / workOf(job, REPLICAS).samples,
    slowdown: Math.max(1, (2 * one) / two),
    frame,
    node: nodePart,
    own: exchange - frame - nodePart,
  };
}

/** Least squares. */
function slopeOf(points: readonly (readonly [number, number])[]): number {
  const mean = (i: 0 | 1): number => points.reduce((sum, point) => sum + point[i], 0) / points.length;
  const [x, y] = [mean(0), mean(1)];
  const above = points.reduce((sum, [a, b]) => sum + (a - x) * (b - y), 0);
  return above / points.reduce((sum, [a]) => sum + (a - x) ** 2, 0);
}
