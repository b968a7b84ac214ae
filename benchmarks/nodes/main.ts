// npm run bench:nodes                      remote nodes against the pool of one process; needs MNIST_DIR or the user's cache
// npm run bench:nodes -- --only many       one part: throughput, gigabit (Linux, root), slow, failures, many or exchange
// npm run bench:nodes -- --only exchange   steps and rounds over links, measured and by a model (Linux, root)
//   --rounds 3 --seconds 4 --save FILE     keeps what was measured; --from FILE computes from it again
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { median } from '#src/cli/bench/median.js';
import { newToken } from '#src/shared/util/token.js';
import { exchange } from './exchange.ts';
import { type Joined, Session, type SessionOptions, type Window } from './session.ts';
import { ShapedNamespace } from './veth.ts';

const LOOPBACK = '127.0.0.1:0';
const { values } = parseArgs({
  options: {
    only: { type: 'string' },
    rounds: { type: 'string', default: '5' },
    seconds: { type: 'string', default: '4' },
    nodes: { type: 'string', default: '50' },
    save: { type: 'string' },
    from: { type: 'string' },
    batches: { type: 'string', default: '1024,512,128' },
  },
});
const batches = values.batches.split(',').map(Number);
const [rounds, seconds] = [Number(values.rounds), Number(values.seconds)];
const parts: Readonly<Record<string, () => Promise<void>>> = {
  throughput,
  gigabit,
  slow,
  failures,
  many,
  exchange: () => exchange({ rounds, seconds, save: values.save, from: values.from }),
};
for (const [name, part] of Object.entries(parts)) if ((values.only ?? name) === name) await part();

interface Layout extends Omit<SessionOptions, 'batch'> {
  readonly name: string;
  /** Threads of each node. */
  readonly nodes: readonly number[];
}

/** Two threads in all, wherever they are. */
async function throughput(): Promise<void> {
  await compare('Two threads, loopback', batches, [
    { name: 'pool of 2 threads', workers: 2, nodes: [] },
    { name: '1 node of 2 threads', workers: 0, listen: LOOPBACK, nodes: [2] },
    { name: '2 nodes of 1 thread', workers: 0, listen: LOOPBACK, nodes: [1, 1] },
    { name: '1 thread and a node of 1', workers: 1, listen: LOOPBACK, nodes: [1] },
  ]);
}

/** The same over a link of 1 Gbit/s, sealed as beyond loopback. */
async function gigabit(): Promise<void> {
  process.env.LOCKSTEP_TOKEN = newToken();
  const link = new ShapedNamespace('1gbit');
  const flags = ['--plaintext'];
  const listen = `${link.address}:0`;
  try {
    await compare(
      'Two threads, 1 Gbit/s',
      [1024, 128],
      [
        { name: 'pool of 2 threads', workers: 2, nodes: [] },
        { name: '1 node of 2 threads', workers: 0, listen, flags, nodes: [2] },
        { name: '2 nodes of 1 thread', workers: 0, listen, flags, nodes: [1, 1] },
      ],
      link.place,
    );
  } finally {
    link.remove();
  }
}

async function compare(
  title: string,
  batches: readonly number[],
  layouts: readonly Layout[],
  place: readonly string[] = [],
): Promise<void> {
  for (const batch of batches) {
    const windows = new Map<Layout, Window[]>(layouts.map((layout) => [layout, []]));
    for (let round = 0; round < rounds; round++) {
      for (const layout of layouts) windows.get(layout)?.push(await measured({ ...layout, batch }, place));
    }
    console.log(`\n${title}, batch ${batch}: medians of ${rounds} interleaved rounds of ${seconds} s`);
    const medianOf = (layout: Layout, key: keyof Window): number =>
      median((windows.get(layout) ?? []).map((w) => w[key]));
    const alone = medianOf(layouts[0] as Layout, 'stepsPerSecond');
    console.table(
      layouts.map((layout) => ({
        layout: layout.name,
        'steps/s': medianOf(layout, 'stepsPerSecond').toFixed(1),
        'lost %': (100 * (1 - medianOf(layout, 'stepsPerSecond') / alone)).toFixed(1),
        'KB sent/step': (medianOf(layout, 'sent') / 1000).toFixed(0),
        'KB received/step': (medianOf(layout, 'received') / 1000).toFixed(0),
        'partials/step': medianOf(layout, 'partials').toFixed(2),
      })),
    );
  }
}

async function measured(options: SessionOptions & Layout, place: readonly string[]): Promise<Window> {
  const session = new Session(options);
  try {
    for (const threads of options.nodes) await session.join(threads, { place });
    return await session.measure({ warmup: 300, seconds });
  } finally {
    await session.end();
  }
}

/** Four nodes, one of which computes ten times as slowly, against the three others alone. */
async function slow(): Promise<void> {
  const imports = [fileURLToPath(new URL('./slow-node.js', import.meta.url))];
  const medians: Record<string, number[]> = { three: [], four: [] };
  for (let round = 0; round < rounds; round++) {
    for (const name of ['three', 'four']) {
      const session = new Session({ batch: 512, workers: 0, listen: LOOPBACK });
      try {
        for (let i = 0; i < 3; i++) await session.join(1);
        if (name === 'four') await session.join(1, { imports });
        const before = session.stepSeconds().length;
        await sleep(1000 * seconds);
        medians[name]?.push(median(session.stepSeconds().slice(before)));
      } finally {
        await session.end();
      }
    }
  }
  const [three, four] = [median(medians.three ?? []), median(medians.four ?? [])];
  console.log(
    `\nMedian step, batch 512: three nodes ${ms(three)} ms, with a fourth at a tenth of the speed ${ms(four)} ms: ${(four / three).toFixed(2)} times`,
  );
}

/** From a node's start to its first result, and from its end until others know. */
async function failures(): Promise<void> {
  const found: Record<string, number[]> = {
    joined: [],
    'first result': [],
    'killed: noticed': [],
    'hung: longest step': [],
  };
  for (let round = 0; round < rounds; round++) {
    const session = new Session({ batch: 1024, workers: 1, listen: LOOPBACK });
    try {
      const [first, second] = [await session.join(1), await session.join(1)];
      found.joined?.push(first.joined, second.joined);
      found['first result']?.push(first.firstResult, second.firstResult);
      found['killed: noticed']?.push(await noticed(session, first));
      const before = session.stepSeconds().length;
      second.node.kill('SIGSTOP');
      await sleep(1500);
      found['hung: longest step']?.push(Math.max(...session.stepSeconds().slice(before)));
    } finally {
      await session.end();
    }
  }
  console.log(`\nSeconds, medians and highest of ${rounds} rounds`);
  console.table(
    Object.entries(found).map(([what, times]) => ({
      what,
      median: median(times).toFixed(3),
      highest: Math.max(...times).toFixed(3),
    })),
  );
}

async function noticed(session: Session, { name, node }: Joined): Promise<number> {
  const [from, begin] = [session.linesSoFar, performance.now()];
  node.kill('SIGKILL');
  const { at } = await session.said(new RegExp(`^Node ${name} is gone`), from);
  return (at - begin) / 1000;
}

/** More and more nodes of one thread at one coordinator: what each costs a step. */
async function many(): Promise<void> {
  const most = Number(values.nodes);
  const session = new Session({ batch: 512, workers: 1, listen: LOOPBACK });
  const rows: Record<string, string>[] = [];
  try {
    for (const count of [0, 1, 2, 5, 10, 20, 50].filter((each) => each <= most)) {
      while (session.nodes.length < count) await session.join(1);
      const { stepsPerSecond, sent, received, partials } = await session.measure({ warmup: 30, seconds: 2 * seconds });
      rows.push({
        nodes: String(count),
        'ms/step': ms(1 / stepsPerSecond),
        'KB sent/step': (sent / 1000).toFixed(0),
        'KB received/step': (received / 1000).toFixed(0),
        'partials/step': partials.toFixed(1),
      });
      console.log(JSON.stringify(rows.at(-1)));
    }
  } finally {
    await session.end();
  }
  console.log('\nNodes of one thread beside one worker, batch 512, all on this machine');
  console.table(rows);
}

function ms(value: number): string {
  return (1000 * value).toFixed(2);
}
