// An alert reaches somebody: a run without workers, a real Prometheus with the rules, a real Alertmanager with docker/alertmanager.yaml,
// and a webhook on loopback.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { EventEmitter, once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { json } from 'node:stream/consumers';
import { after, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { parse, stringify } from 'yaml';
import { newToken } from '#src/shared/util/token.js';
import { ALERTMANAGER, skip as skipAlertmanager } from '../support/alertmanager-server.ts';
import { freePorts } from '../support/free-ports.ts';
import { DATA, type Program, startLockstep, startProgram } from '../support/program.ts';
import { type Prometheus, skip as skipPrometheus, startPrometheus } from '../support/prometheus-server.ts';

const ROOT = new URL('../../../', import.meta.url);
const CONFIG = fileURLToPath(new URL('docker/alertmanager.yaml', ROOT));
const DEADLINE_MS = 150_000;

const folder = mkdtempSync(join(tmpdir(), 'lockstep-alerts-'));
const programs: Program[] = [];
let prometheus: Prometheus | undefined;
let webhook: Server | undefined;
after(async () => {
  for (const { signal } of programs) signal('SIGKILL');
  await Promise.all(programs.map(({ ended }) => ended));
  await prometheus?.stop();
  webhook?.close();
  rmSync(folder, { recursive: true });
});

function written(name: string, text: string): string {
  const path = join(folder, name);
  writeFileSync(path, text);
  return path;
}

/** What Alertmanager sends. */
interface Message {
  readonly receiver: string;
  readonly status: 'firing' | 'resolved';
  readonly groupLabels: Readonly<Record<string, string>>;
  readonly alerts: readonly {
    readonly status: string;
    readonly labels: Readonly<Record<string, string>>;
    readonly annotations: Readonly<Record<string, string>>;
  }[];
}

/** A webhook that keeps what it is sent. */
async function listen(): Promise<{ url: string; first: (is: (message: Message) => boolean) => Promise<Message> }> {
  const messages: Message[] = [];
  const events = new EventEmitter();
  webhook = createServer(async (request, response) => {
    messages.push((await json(request)) as Message);
    response.end();
    events.emit('message');
  }).listen(0, '127.0.0.1');
  await once(webhook, 'listening');
  const signal = AbortSignal.timeout(DEADLINE_MS);
  return {
    url: `http://127.0.0.1:${(webhook.address() as AddressInfo).port}/`,
    first: async (is) => {
      for (;;) {
        const found = messages.find(is);
        if (found !== undefined) return found;
        await once(events, 'message', { signal });
      }
    },
  };
}

/** Ours, with the webhook as every receiver's, and without its pauses. */
function alertmanagerConfig(url: string): string {
  const config = parse(readFileSync(CONFIG, 'utf8'));
  Object.assign(config.route, { group_wait: '1s', group_interval: '1s' });
  for (const receiver of config.receivers) receiver.webhook_configs = [{ url }];
  return stringify(config);
}

/** Ours, with seconds in place of minutes. */
function alertRules(): string {
  const text = readFileSync(new URL('dashboards/prometheus/alerts.yaml', ROOT), 'utf8');
  return text.replaceAll('[5m]', '[10s]').replaceAll('offset 5m', 'offset 10s').replaceAll('for: 1m', 'for: 2s');
}

function prometheusConfig(alertmanager: string, target: string): string {
  const targets = (...addresses: readonly string[]): object => ({ static_configs: [{ targets: addresses }] });
  return stringify({
    global: { scrape_interval: '1s', evaluation_interval: '1s' },
    rule_files: [written('alerts.yaml', alertRules())],
    alerting: { alertmanagers: [targets(alertmanager)] },
    scrape_configs: [{ job_name: 'lockstep', ...targets(target) }],
  });
}

/** A run that nobody computes for. @returns the address of its metrics */
async function idleRun(): Promise<string> {
  const token = written('token', `${newToken()}\n`);
  const listening = ['--listen', '127.0.0.1:0', '--token-file', token, '--metrics-port', '0', '--workers', '0'];
  const run = startLockstep(['train', '--out', join(folder, 'idle'), ...listening, ...DATA]);
  programs.push(run);
  return new URL((await run.said(/^Metrics: /)).split(' ').at(-1) as string).host;
}

/** @returns its address, once it answers */
async function alertmanagerWith(url: string): Promise<string> {
  const [port] = (await freePorts(1)) as [number];
  const address = `127.0.0.1:${port}`;
  const config = written('alertmanager.yaml', alertmanagerConfig(url));
  const flags = [`--config.file=${config}`, `--storage.path=${join(folder, 'data')}`, '--cluster.listen-address='];
  const command = [ALERTMANAGER, ...flags, `--web.listen-address=${address}`];
  const program = startProgram(command, { env: process.env, cwd: folder });
  programs.push(program);
  await program.said(/Listening on/);
  return address;
}

function check(path: string): string {
  const { status, stdout, stderr } = spawnSync('amtool', ['check-config', path], { encoding: 'utf8' });
  assert.equal(status, 0, stderr);
  return stdout;
}

describe('docker/alertmanager.yaml', { skip: skipAlertmanager }, () => {
  it('is valid, and so are the examples in it', () => {
    assert.match(check(CONFIG), /3 receivers/);
    // Comments of prose begin with a capital letter.
    const text = readFileSync(CONFIG, 'utf8').replaceAll(/^( +)# (?= *- | *[a-z_]+:)/gm, '$1');
    for (const kind of ['webhook', 'slack', 'email']) assert.match(text, new RegExp(`^ +${kind}_configs:$`, 'm'));
    check(written('examples.yaml', text));
  });

  const route = (...labels: readonly string[]): string =>
    spawnSync('amtool', ['config', 'routes', 'test', `--config.file=${CONFIG}`, ...labels], { encoding: 'utf8' })
      .stdout;
  it('routes by severity', () => {
    assert.equal(route('severity=critical', 'run=r'), 'critical\n');
    assert.equal(route('severity=warning', 'run=r'), 'warning\n');
    assert.equal(route('severity=other'), 'nobody\n');
  });
});

describe('a run that nobody computes for', { skip: skipPrometheus || skipAlertmanager }, () => {
  it('is told to a webhook, once with its run, and again when it is over', async () => {
    const { url, first } = await listen();
    const address = await alertmanagerWith(url);
    const target = await idleRun();
    prometheus = await startPrometheus({ config: prometheusConfig(address, target) });

    const told = await first(({ status }) => status === 'firing');
    const { id } = JSON.parse(readFileSync(join(folder, 'idle', 'run.json'), 'utf8'));
    assert.deepEqual([told.receiver, told.groupLabels], ['critical', { run: 'idle', id, instance: target }]);
    const { labels, annotations } = told.alerts[0] as Message['alerts'][number];
    assert.match(labels.alertname as string, /^Lockstep(NoWorkers|NoProgress)$/);
    assert.match(annotations.summary as string, new RegExp(`^Run idle \\(${id}\\) has `));
    assert.ok((annotations.description as string).length > 100);

    const run = programs.at(-1) as Program;
    run.signal('SIGTERM');
    await run.ended;
    const over = await first(({ status, groupLabels }) => status === 'resolved' && groupLabels.run === 'idle');
    assert.equal(over.receiver, 'critical');
  });
});
