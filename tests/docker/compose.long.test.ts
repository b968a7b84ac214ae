// docker/compose.yaml: what it promises, and its services started side by side without containers.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, rmSync, statSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { within } from '../chaos/deadline.ts';
import { skip as skipAlertmanager } from '../support/alertmanager-server.ts';
import { freePorts } from '../support/free-ports.ts';
import { DATA, lockstep } from '../support/program.ts';
import { skip as skipPrometheus } from '../support/prometheus-server.ts';
import { type Container, Containers } from './containers.ts';
import { readCompose, readImage } from './file.ts';

const ROOT = fileURLToPath(new URL('../../..', import.meta.url));
/** Of one test; it would take longer only if it hung. */
const HANG_MS = 120_000;
const CONTAINER_PORTS = ['9464', '9465', '9090', '9093'];

const folder = mkdtempSync(join(tmpdir(), 'lockstep-compose-'));
after(() => rmSync(folder, { recursive: true }));
// A checkout of its own: secrets are made beside compose.yaml.
const project = join(folder, 'checkout', 'docker');
for (const name of ['docker', 'dashboards']) {
  cpSync(join(ROOT, name), join(folder, 'checkout', name), {
    recursive: true,
    filter: (source) => source !== join(ROOT, 'docker', 'secrets'),
  });
}
const made = spawnSync('sh', [join(project, 'secrets.sh')], { encoding: 'utf8' });
assert.equal(made.status, 0, made.stderr);

describe('docker/compose.yaml', () => {
  const { services, secrets } = readCompose(project);

  it('hardens every service, and opens ports on loopback alone', () => {
    for (const [name, service] of Object.entries(services)) {
      assert.equal(service.read_only, true, name);
      assert.deepEqual([service.cap_drop, service.security_opt], [['ALL'], ['no-new-privileges:true']], name);
      for (const port of service.ports ?? []) assert.match(port, /^127\.0\.0\.1:/, name);
      assert.ok(service.healthcheck.test !== undefined || service.healthcheck.disable, name);
    }
  });

  it('gives each service only the secrets that it needs', () => {
    const given = Object.entries(services).map(([name, service]) => [name, service.secrets]);
    assert.deepEqual(Object.fromEntries(given), {
      coordinator: ['node_token', 'metrics_token'],
      worker: ['node_token'],
      prometheus: ['metrics_token'],
      alertmanager: undefined,
      grafana: ['grafana_password'],
    });
  });

  it('has secrets that differ, stay, and that only their owner reaches', () => {
    const files = Object.values(secrets).map(({ file }) => join(project, file));
    const read = (): string[] => files.map((file) => spawnSync('cat', [file], { encoding: 'utf8' }).stdout);
    const tokens = read();
    assert.equal(new Set(tokens).size, 3);
    for (const token of tokens) assert.match(token, /^[\w-]{43}$/);
    assert.equal(spawnSync('sh', [join(project, 'secrets.sh')]).status, 0);
    assert.deepEqual(read(), tokens);
    assert.equal(statSync(join(project, 'secrets')).mode & 0o777, 0o700);
  });

  const hasCompose = spawnSync('docker-compose', ['version']).status === 0;
  const noCompose =
    process.env.CI === 'true' || hasCompose ? false : "Debian's package docker-compose is not installed";
  it('is valid for docker-compose', { skip: noCompose }, () => {
    const args = ['-f', join(project, 'compose.yaml'), 'config', '--quiet'];
    const { status, stderr } = spawnSync('docker-compose', args, { encoding: 'utf8' });
    assert.deepEqual([status, stderr], [0, '']);
  });
});

describe('its services side by side', { skip: skipPrometheus || skipAlertmanager }, () => {
  const settings = {
    LOCKSTEP_BATCH: '64',
    LOCKSTEP_WORKERS: '0',
    ...(DATA.includes('synthetic') ? { LOCKSTEP_DATA: 'synthetic' } : {}),
  };
  const images = join(folder, 'volumes', 'cache', 'lockstep', 'mnist');
  let ports: ReadonlyMap<string, number>;
  const started: Containers[] = [];
  before(async () => {
    const free = await freePorts(CONTAINER_PORTS.length);
    ports = new Map(CONTAINER_PORTS.map((port, i) => [port, free[i] as number]));
    mkdirSync(join(images, '..'), { recursive: true });
    if (process.env.MNIST_DIR) symlinkSync(process.env.MNIST_DIR, images);
  });
  after(async () => {
    const left = started.flatMap(({ all }) => all);
    for (const { program } of left) program.signal('SIGKILL');
    await Promise.all(left.map(({ program }) => program.ended));
  });

  /** As `docker compose up` with these settings would. */
  function containers(run: string, iterations: number): Containers {
    const own = { ...settings, RUN: run, LOCKSTEP_ITERATIONS: String(iterations) };
    const made = new Containers({
      ...{ folder, project, ports, compose: readCompose(project, own) },
      image: readImage(join(ROOT, 'docker', 'Dockerfile')),
      imageFiles: [{ source: ROOT, target: '/opt/lockstep' }],
    });
    started.push(made);
    return made;
  }

  async function query(expression: string): Promise<string | undefined> {
    const url = `http://127.0.0.1:${ports.get('9090')}/api/v1/query?${new URLSearchParams({ query: expression })}`;
    const { data } = (await (await fetch(url)).json()) as { data: { result: { value: [number, string] }[] } };
    return data.result[0]?.value[1];
  }

  /** How many Alertmanagers Prometheus tells of alerts. */
  async function alertmanagers(): Promise<number> {
    const answer = await fetch(`http://127.0.0.1:${ports.get('9090')}/api/v1/alertmanagers`);
    const { data } = (await answer.json()) as { data: { activeAlertmanagers: { url: string }[] } };
    const own = `http://127.0.0.1:${ports.get('9093')}/`;
    return data.activeAlertmanagers.filter(({ url }) => url.startsWith(own)).length;
  }

  /** Asks until it is so. */
  async function shows(expression: string, value: string): Promise<void> {
    while ((await query(expression)) !== value) await setImmediate();
  }

  async function workTogether(): Promise<void> {
    const all = containers('long', 100_000);
    const workers = await all.up('worker', 2);
    await Promise.all(workers.map(({ program }) => program.said(/"msg":"Computing for/)));
    await shows('up{job="lockstep"}', '1');
    await shows('lockstep_nodes{run="long"}', '2');
    const metrics = `http://127.0.0.1:${ports.get('9464')}/metrics`;
    assert.equal((await fetch(metrics)).status, 401);

    assert.deepEqual(await all.stop('coordinator'), [143]);
    const [again] = (await all.up('coordinator')) as [Container];
    await again.program.said(/"msg":"Training lenet5 .*: steps \d+ to 100000/);
    await again.program.said(/"msg":"Node .* joined/);
    assert.deepEqual(await all.stop('worker'), [143, 143]);
    assert.deepEqual(await all.stop('coordinator'), [143]);
    assert.equal(await alertmanagers(), 1);
    assert.deepEqual([await all.stop('prometheus'), await all.stop('alertmanager')], [[0], [0]]);
  }

  async function endRun(): Promise<void> {
    const flags = ['--iterations', '300', '--batch', '64', '--metrics-port', 'off', '--out', join(folder, 'alone')];
    const alone = lockstep(['train', ...flags, ...DATA, '--json']);
    const expected = JSON.parse(alone.stdout).weightsSha256;
    const all = containers('short', 300);
    const [coordinator] = (await all.up('coordinator')) as [Container];
    await all.up('worker', 2);
    assert.deepEqual([await all.ended('coordinator'), await all.ended('worker')], [[0], [0, 0]]);
    assert.match((await coordinator.program.ended).stderr, new RegExp(expected));
    await shows('count_over_time(lockstep_train_loss{run="short", attempt="1"}[1h])', '300');
    assert.deepEqual([await all.stop('prometheus'), await all.stop('alertmanager')], [[0], [0]]);
  }

  it('work together, and SIGTERM ends each as it should; the same command continues the run', () =>
    within(HANG_MS, workTogether(), 'they do'));
  it('end a run with the bits of one process, every step of it in Prometheus', () =>
    within(HANG_MS, endRun(), 'they do'));
});
