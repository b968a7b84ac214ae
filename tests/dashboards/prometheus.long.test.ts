// The dashboards' and rules' expressions over a real run: two nodes, one of which is killed, watched by a real Prometheus with
// dashboards/prometheus/prometheus.yaml.
import assert from 'node:assert/strict';
import { mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { setTimeout } from 'node:timers/promises';
import { parse, stringify } from 'yaml';
import { newToken } from '#src/shared/util/token.js';
import { DATA, DATA_OF_NODE, type Program, startLockstep } from '../support/program.ts';
import { type Prometheus, type Series, skip, startPrometheus } from '../support/prometheus-server.ts';
import { hasData, optionsOf, seriesOf, variantsOf, type Watched } from './evaluate.ts';
import { DASHBOARDS, dashboardOf, pathOf, type Query, queriesOf, textOf } from './read.ts';

/** The run is short, so it is looked at more often than ours would be. */
const SCRAPE_SECONDS = 2;
const DEADLINE_MS = 150_000;
const POLL_MS = 250;
const RUN = 'watched';

const folder = mkdtempSync(join(tmpdir(), 'lockstep-dashboards-'));
const targets = join(folder, 'targets.json');
const started: Program[] = [];
let prometheus: Prometheus | undefined;
after(async () => {
  for (const { signal } of started) signal('SIGKILL');
  await Promise.all(started.map(({ ended }) => ended));
  await prometheus?.stop();
  rmSync(folder, { recursive: true });
});

function start(...args: readonly string[]): Program {
  const program = startLockstep(args);
  started.push(program);
  return program;
}

/** Our configuration, but for the intervals and the target: a run says its port once it has one. */
function configuration(): string {
  const config = parse(textOf('prometheus/prometheus.yaml'));
  config.global = { scrape_interval: `${SCRAPE_SECONDS}s`, evaluation_interval: `${SCRAPE_SECONDS}s` };
  config.rule_files = config.rule_files.map((file: string) => pathOf(`prometheus/${file}`));
  const [{ static_configs: _, ...job }] = config.scrape_configs;
  config.scrape_configs = [{ ...job, file_sd_configs: [{ files: [targets] }] }];
  return stringify(config);
}

/** Prometheus looks at the file again where another takes its place. */
function setTargets(...urls: readonly string[]): void {
  writeFileSync(`${targets}.new`, JSON.stringify([{ targets: urls.map((url) => new URL(url).host) }]));
  renameSync(`${targets}.new`, targets);
}

/** Asks again and again. @throws with what `check` says is missing, where it does so for too long */
async function until(check: () => Promise<string | undefined>): Promise<void> {
  const deadline = AbortSignal.timeout(DEADLINE_MS);
  for (;;) {
    const missing = await check();
    if (missing === undefined) return;
    assert.ok(!deadline.aborted, `still missing after ${DEADLINE_MS / 1000} s: ${missing}`);
    await setTimeout(POLL_MS);
  }
}

async function untilData(server: Prometheus, expression: string): Promise<void> {
  await until(async () => ((await server.query(expression)).length > 0 ? undefined : expression));
}

function trainingFlags(name: string, server: Prometheus): readonly string[] {
  return ['--out', join(folder, name), '--remote-write', server.writeUrl, ...DATA];
}

async function metricsOf(run: Program): Promise<string> {
  return (await run.said(/^Metrics: /)).split(' ').at(-1) as string;
}

/** A run that continues for as long as it is watched, with nodes that join and leave and an unauthenticated peer. */
async function disturbedRun(server: Prometheus): Promise<Program> {
  const [own, other] = ['own', 'other'].map((name) => {
    const file = join(folder, `${name}.token`);
    writeFileSync(file, `${newToken()}\n`);
    return file;
  }) as [string, string];
  const often = [
    '--iterations',
    '1000000',
    '--evaluate-every',
    '100',
    '--checkpoint-every',
    '100',
    '--workers',
    '1',
    '--validation',
    '0.1',
  ];
  const listening = ['--listen', '127.0.0.1:0', '--token-file', own, '--metrics-port', '0'];
  // Large batches: of small ones a node that takes longer to answer than others to compute gets none.
  const run = start(
    'train',
    '--batch',
    '1024',
    '--shard-size',
    '32',
    '--replicas',
    '4',
    '--sync-every',
    '4',
    ...often,
    ...listening,
    ...trainingFlags(RUN, server),
  );
  setTargets(await metricsOf(run));
  const url = (await run.said(/^Nodes can connect/)).split(' ').at(-1) as string;
  const node = (token: string): Program =>
    start('worker', '--connect', url, '--threads', '1', '--token-file', token, ...DATA_OF_NODE);
  // What happens before the first scrape is no increase afterwards.
  await untilData(server, 'lockstep_node_joins_total == 0');
  const unauthenticated = node(other);
  await unauthenticated.said(/does not hold the token of this run/);
  unauthenticated.signal('SIGTERM');
  assert.equal((await unauthenticated.ended).status, 143);
  const [killed, leaving] = [node(own), node(own)] as [Program, Program];
  await untilData(server, 'count(sum by (node) (lockstep_shards_total{outcome="done"}) > 0) == 3');
  killed.signal('SIGKILL');
  await untilData(server, 'increase(lockstep_node_leaves_total{reason="lost"}[1m]) > 0');
  leaving.signal('SIGTERM');
  assert.equal((await leaving.ended).status, 143);
  await untilData(server, 'increase(lockstep_node_leaves_total{reason="left"}[1m]) > 0');
  return run;
}

describe('over a real run with two nodes, one of which is killed', { skip }, () => {
  let watched: Watched;
  let run: Program;

  before(async () => {
    const start = Date.now() / 1000;
    prometheus = await startPrometheus({ config: configuration() });
    run = await disturbedRun(prometheus);
    watched = { prometheus, run: RUN, scrapeSeconds: SCRAPE_SECONDS, span: { start, end: Date.now() / 1000 } };
  });

  for (const file of DASHBOARDS) {
    const dashboard = dashboardOf(file);

    test(`${dashboard.title}: no expression errs, and each has data`, async () => {
      let empty = queriesOf(dashboard).filter(isOfRuns).flatMap(variantsOf);
      await until(async () => {
        const now = { ...watched, span: { ...watched.span, end: Date.now() / 1000 } };
        const found = await Promise.all(empty.map((query) => hasData(query, now)));
        empty = empty.filter((_, index) => !found[index]);
        return empty.length > 0 ? empty.map(({ where }) => where).join('; ') : undefined;
      });
    });

    test(`${dashboard.title}: each variable has something to choose`, async () => {
      for (const variable of dashboard.templating.list.filter(({ type }) => type === 'query')) {
        assert.ok((await optionsOf(variable, watched)).length > 0, variable.name);
      }
    });
  }

  test('what is reported of each node is reported of all three', async () => {
    for (const name of OF_NODES)
      await untilData(watched.prometheus, `count(count by (node) (last_over_time(${name}[5m]))) == 3`);
  });

  test('no rule errs, each recording rule has data, and no alert fires', async () => {
    const { groups } = (await watched.prometheus.get('/api/v1/rules')) as {
      groups: readonly { rules: readonly Rule[] }[];
    };
    const rules = groups.flatMap((each) => each.rules);
    assert.equal(rules.length, 16);
    for (const { name, type, health, lastError = '' } of rules) {
      assert.deepEqual([health, lastError], ['ok', ''], name);
      if (type === 'recording') await untilData(watched.prometheus, `last_over_time(${name}[5m])`);
    }
    assert.deepEqual(await watched.prometheus.query('count_over_time(ALERTS{alertstate="firing"}[5m])'), []);
  });

  test('two runs of one name are two in every panel that shows runs', async () => {
    const flags = ['--iterations', '1000000', '--checkpoint-every', '100', '--workers', '1', '--metrics-port', '0'];
    const other = start('train', ...flags, ...trainingFlags(`other/${RUN}`, watched.prometheus));
    setTargets(await metricsOf(run), await metricsOf(other));
    await untilData(watched.prometheus, `count(rate(lockstep_steps_total{run="${RUN}"}[1m]) > 0) == 2`);
    other.signal('SIGTERM');
    await other.ended;
    const now = { ...watched, span: { ...watched.span, end: Date.now() / 1000 } };
    const ids = await watched.prometheus.query(`count by (id) (last_over_time(lockstep_step{run="${RUN}"}[5m]))`);
    assert.equal(ids.length, 2);
    const labels = (all: readonly Series[]): string[] =>
      all.flatMap(({ metric }) => (metric.id === undefined ? [] : [JSON.stringify(metric)])).sort();
    let ofBoth = 0;
    for (const query of DASHBOARDS.map(dashboardOf).flatMap(queriesOf).filter(isOfRuns)) {
      const all = labels(await seriesOf(query, now));
      const alone = await Promise.all(ids.map(({ metric: { id = '' } }) => seriesOf(query, { ...now, id })));
      assert.deepEqual(all, alone.flatMap(labels).sort(), query.where);
      ofBoth += Number(alone.every((each) => labels(each).length > 0));
    }
    assert.ok(ofBoth > 40, `only ${ofBoth} queries have series of both`);
  });

  test('a run that diverges raises an alert by its last steps, though it has ended', async () => {
    const flags = ['--optimizer', 'sgd', '--learning-rate', '5', '--iterations', '600', '--metrics-port', 'off'];
    const { status, stderr } = await start('train', ...flags, ...trainingFlags('diverging', watched.prometheus)).ended;
    assert.equal(status, 3);
    assert.match(stderr, /expected a finite loss/);
    await untilData(
      watched.prometheus,
      'ALERTS{alertname="LockstepLossNotFinite",alertstate="firing",run="diverging"}',
    );
    assert.deepEqual(await watched.prometheus.query('ALERTS{alertname="LockstepLossNotFinite",run!="diverging"}'), []);
  });

  test('a run that is killed before its end raises an alert', async () => {
    run.signal('SIGKILL');
    await run.ended;
    await untilData(watched.prometheus, 'ALERTS{alertname="LockstepTargetDown",alertstate="firing"}');
    const span = { ...watched.span, end: Date.now() / 1000 };
    for (const query of DASHBOARDS.map(dashboardOf).flatMap(queriesOf)) {
      if (!isOfRuns(query)) assert.ok(await hasData(query, { ...watched, span }), query.where);
    }
  });
});

/** Whether it has data while all is well: the others show alerts. */
function isOfRuns({ expression }: Query): boolean {
  return !expression.includes('ALERTS');
}

const OF_NODES = [
  'lockstep_workers',
  'lockstep_worker_samples_total',
  'lockstep_shards_total',
  'lockstep_shards_dealt_total',
  'lockstep_node_processor_seconds_total',
  'lockstep_node_memory_bytes',
  'lockstep_node_event_loop_lag_seconds',
];

interface Rule {
  readonly name: string;
  readonly type: 'recording' | 'alerting';
  readonly health: string;
  readonly lastError?: string;
}
