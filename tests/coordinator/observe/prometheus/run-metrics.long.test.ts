// The metrics of a real run with nodes: complete, as docs/metrics.md has them, and to promtool's taste.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { STEP_SCALARS } from '#src/shared/live/step-scalars.js';
import { closeCodes } from '#src/shared/wire/close-codes.js';
import { DATA, DATA_OF_NODE, type Program, startLockstep } from '../../../support/program.ts';
import { skip } from '../../../support/prometheus-server.ts';

const folder = mkdtempSync(join(tmpdir(), 'lockstep-metrics-'));
const started: Program[] = [];
after(() => {
  for (const { signal } of started) signal('SIGKILL');
  rmSync(folder, { recursive: true });
});

function start(...args: readonly string[]): Program {
  const program = startLockstep(args);
  started.push(program);
  return program;
}

interface Family {
  readonly type: string;
  readonly labels: readonly string[];
}

/** The families of docs/metrics.md, by name; a test of its own compares STEP_SCALARS with that page. */
function documented(): Map<string, Family> {
  const page = readFileSync(new URL('../../../../../docs/metrics.md', import.meta.url), 'utf8');
  const rows = [...page.matchAll(/^\| `(lockstep_\w+)` \| (\w+) \|([^|]*)\|/gm)];
  const families = rows.map(([, name = '', type = '', labels = '']): [string, Family] => [
    name,
    { type, labels: [...labels.matchAll(/\w+/g)].map(([label]) => label).sort() },
  ]);
  const gauges = STEP_SCALARS.filter(({ isGauge }) => isGauge);
  const scalars = gauges.map(({ metric }): [string, Family] => [metric, { type: 'gauge', labels: [] }]);
  return new Map([...families, ...scalars]);
}

/** Labels of every series. */
const OF_ALL: ReadonlySet<string> = new Set(['run', 'id']);

/** A scrape: its text, its families and its series. */
class Scrape {
  readonly text: string;
  readonly families = new Map<string, Family>();
  readonly #values = new Map<string, number>();

  constructor(text: string) {
    this.text = text;
    let family = { name: '', type: '' };
    for (const line of text.split('\n')) {
      const [, name = '', type = ''] = /^# TYPE (\w+) (\w+)/.exec(line) ?? [];
      if (name !== '') family = { name, type };
      const [, series = '', labels = '', value] = /^(lockstep_\w+)\{(.*)\} (\S+)$/.exec(line) ?? [];
      if (value === undefined) continue;
      const pairs = [...labels.matchAll(/(\w+)="([^"]*)"/g)].map(([, label = '', text = '']) => [label, text] as const);
      const names = pairs.map(([label]) => label).filter((label) => !OF_ALL.has(label) && label !== 'le');
      this.families.set(family.name, { type: family.type, labels: names.sort() });
      this.#values.set(
        `${series} ${pairs
          .filter(([label]) => !OF_ALL.has(label))
          .map((pair) => pair.join('='))
          .sort()
          .join(' ')}`.trim(),
        Number(value),
      );
    }
  }

  /** @param labels as `label=value`, in alphabetical order */
  value(series: string, ...labels: readonly string[]): number | undefined {
    return this.#values.get([series, ...labels].join(' '));
  }

  get nodes(): readonly string[] {
    const names = [...this.#values.keys()].flatMap((key) => /^lockstep_shards_total node=(\S+)/.exec(key)?.[1] ?? []);
    return [...new Set(names)].filter((name) => name !== 'local');
  }
}

describe('the metrics of a run with nodes', () => {
  let url = '';
  let scraped: Scrape;
  const nodes: Program[] = [];

  const scrape = async (): Promise<Scrape> => new Scrape(await (await fetch(url)).text());

  /** Scrapes until it holds. */
  async function until(what: string, holds: (scrape: Scrape) => boolean): Promise<Scrape> {
    for (const begin = performance.now(); performance.now() - begin < 60_000; ) {
      const now = await scrape();
      if (holds(now)) return now;
    }
    assert.fail(`it never came to ${what}`);
  }

  before(async () => {
    const coordinator = start(
      // Steps so large that nodes pay on a single processor too.
      ...['train', '--workers', '2', '--batch', '4096', '--iterations', '1000000', '--checkpoint-every', '10'],
      ...[
        '--evaluate-every',
        '10',
        '--listen',
        '127.0.0.1:0',
        '--metrics-port',
        '0',
        '--out',
        join(folder, 'run'),
        ...DATA,
      ],
    );
    url = (await coordinator.said(/^Metrics: /)).split(' ').at(-1) as string;
    const where = (await coordinator.said(/^Nodes can connect/)).split(' ').at(-1) as string;
    for (let i = 0; i < 2; i++) nodes.push(start('worker', '--connect', where, '--threads', '2', ...DATA_OF_NODE));
    await Promise.all(nodes.map(({ said }) => said(/^Computing for/)));
    scraped = await until('samples of all threads, a checkpoint and an evaluation', (now) => {
      const all = ['local', ...now.nodes].flatMap((node) =>
        [0, 1].map((worker) => [`node=${node}`, `worker=${worker}`]),
      );
      const counts = all.map((labels) => now.value('lockstep_worker_samples_total', ...labels) ?? 0);
      // A node's first answers may come late, and count for nothing; what its process uses is told once a second.
      const isThere = (node: string): boolean =>
        (now.value('lockstep_shards_total', `node=${node}`, 'outcome=done') ?? 0) > 0 &&
        (now.value('lockstep_partials_total', `node=${node}`) ?? 0) > 0 &&
        (now.value('lockstep_node_processor_seconds_total', `node=${node}`) ?? 0) > 0.1 &&
        now.value('lockstep_workers', `node=${node}`, 'state=ready') === 2;
      const isTested = now.value('lockstep_test_loss') !== undefined;
      return (
        counts.length === 6 &&
        counts.every((count) => count > 0) &&
        ['local', ...now.nodes].every(isThere) &&
        isTested &&
        now.value('lockstep_checkpoint_last_step') !== undefined
      );
    });
  });

  it('are those of docs/metrics.md, with their types and labels', () => {
    const expected = documented();
    // Those that this run has no series of: nothing is written or copied elsewhere, its model tells classes, it has no replicas,
    // and no samples are held back.
    const absent = /^lockstep_(remote_write_\w+|checkpoint_commands_total|test_r2|replica_divergence|validation_\w+)$/;
    for (const name of expected.keys()) if (absent.test(name)) expected.delete(name);
    assert.ok(expected.size > 30);
    assert.deepEqual(new Map([...scraped.families].sort()), new Map([...expected].sort()));
  });

  it('stand beside the answers that engines ask for', async () => {
    for (const path of ['/healthz', '/readyz']) assert.equal((await fetch(new URL(path, url))).status, 200, path);
  });

  it('have every reason for a rejection before there is any, so that the first is an increase', () => {
    for (const reason of Object.keys(closeCodes)) {
      assert.equal(scraped.value('lockstep_rejected_connections_total', `reason=${reason}`), 0, reason);
    }
  });

  it('have all phases, of the local threads and the nodes', () => {
    for (const phase of ['sample', 'dispatch', 'compute', 'reduce', 'update', 'wait', 'evaluate', 'checkpoint']) {
      assert.ok((scraped.value('lockstep_phase_duration_seconds_count', `phase=${phase}`) ?? 0) > 0, phase);
    }
  });

  it('have the workers, memory, lag and shards of each node', () => {
    assert.equal(scraped.nodes.length, 2);
    assert.equal(scraped.value('lockstep_nodes'), 2);
    for (const node of ['local', ...scraped.nodes]) {
      const of = (series: string, ...labels: readonly string[]) => scraped.value(series, `node=${node}`, ...labels);
      assert.equal(of('lockstep_workers', 'state=ready'), 2, node);
      assert.equal(of('lockstep_workers_lost_total'), 0, node);
      assert.ok((of('lockstep_node_processor_seconds_total') ?? 0) > 0.1, node);
      assert.ok((of('lockstep_node_memory_bytes') ?? 0) > 1e7, node);
      assert.ok((of('lockstep_node_event_loop_lag_seconds') ?? -1) >= 0, node);
      assert.ok((of('lockstep_shards_total', 'outcome=done') ?? 0) > 0, node);
      assert.ok((of('lockstep_partials_total') ?? 0) > 0, node);
    }
  });

  it('please promtool under load', { skip }, async () => {
    const { text: input } = await scrape();
    const { error, status, stdout, stderr } = spawnSync('promtool', ['check', 'metrics'], { input, encoding: 'utf8' });
    assert.ifError(error);
    assert.deepEqual([stdout + stderr, status], ['', 0]);
  });

  it('tell of nodes that leave and of those that are killed', async () => {
    const [killed, leaving] = nodes as [Program, Program];
    killed.signal('SIGKILL');
    await until('a lost node', (now) => now.value('lockstep_node_leaves_total', 'reason=lost') === 1);
    leaving.signal('SIGTERM');
    const now = await until(
      'a node that left',
      (each) => each.value('lockstep_node_leaves_total', 'reason=left') === 1,
    );
    assert.equal(now.value('lockstep_nodes'), 0);
    assert.equal(now.value('lockstep_node_joins_total'), 2);
    for (const node of scraped.nodes) {
      assert.equal(now.value('lockstep_workers', `node=${node}`, 'state=ready'), 0);
      assert.equal(now.value('lockstep_node_memory_bytes', `node=${node}`), undefined);
      // What it did stays for five minutes.
      assert.ok((now.value('lockstep_shards_total', `node=${node}`, 'outcome=done') ?? 0) > 0);
    }
  });
});
