// The pods of deploy/kubernetes as containers of the project's image, killed, replaced and scaled: the run has the bits of a quiet one.
import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { eventually } from '../../support/eventually.ts';
import { madeFile } from '../../support/made-images.ts';
import { manifestOf, type Program, startLockstep, stepsOf } from '../../support/program.ts';
import { find, type Manifest, manifestsOf } from '../manifests.ts';
import { type RenderOptions, render, skip as skipRender } from '../render.ts';
import { makeCertificate } from '../tls.ts';
import { Containerd, IMAGE_ARCHIVE, skip as skipContainers } from './containerd.ts';
import { Kubelet } from './kubelet.ts';
import type { FailureRule, Secret, Workload } from './objects.ts';
import type { Pod } from './pod.ts';
import { sharedFolder } from './volumes.ts';

const HANG = { timeout: 300_000 };
/** Steps between two events: few of them all, so that each event meets the run in the middle. */
const SOME_STEPS = 20;
const SETTINGS = { iterations: 600, batch: 4096, 'checkpoint-every': 10, 'evaluate-every': 300 };
const USER = 10_001;
const SIGKILLED = 137;
const SIGTERMED = 143;

interface Attempt {
  readonly from: number;
  /** Its last step. */
  readonly steps?: number;
  readonly host: string;
}

/** The run runs/first of overlays/first, as controllers and a user would handle its pods. */
class Run {
  readonly #kubelet: Kubelet;
  readonly #coordinator: Workload;
  readonly #worker: Workload;

  constructor(kubelet: Kubelet, objects: readonly Manifest[]) {
    this.#kubelet = kubelet;
    this.#coordinator = find(objects, 'Job', 'lockstep-coordinator-first');
    this.#worker = find(
      objects,
      objects.some(({ kind }) => kind === 'Deployment') ? 'Deployment' : 'Job',
      'lockstep-worker-first',
    );
  }

  get folder(): string {
    return join(this.#kubelet.claims, 'lockstep-runs', 'runs', 'first');
  }

  get attempts(): readonly Attempt[] {
    return manifestOf(this.folder).attempts as readonly Attempt[];
  }

  /** @param cpu processors that it requests, so many of which it computes with; none: it waits as long as no worker is there */
  startCoordinator(cpu: string): Promise<Pod> {
    return this.#kubelet.run(withCpu(this.#coordinator, cpu));
  }

  startWorker(index?: number): Promise<Pod> {
    return this.#kubelet.run(this.#worker, index);
  }

  /** Removes a pod that has ended. */
  remove(pod: Pod): Promise<void> {
    return this.#kubelet.remove(pod);
  }

  failureRules(kind: 'coordinator' | 'worker'): readonly FailureRule[] {
    return (kind === 'coordinator' ? this.#coordinator : this.#worker).spec.podFailurePolicy?.rules ?? [];
  }

  /** Starts a pod with options that are wrong. @returns its exit code */
  async refused(kind: 'coordinator' | 'worker'): Promise<number> {
    const pod =
      kind === 'coordinator' ? await this.startCoordinator('1') : await this.#kubelet.run(withCpu(this.#worker, '0'));
    return pod.ended();
  }

  /** Waits until some more steps are in the log. @param pod the coordinator's */
  async advances(pod: Pod): Promise<void> {
    const from = this.#lines();
    await eventually(
      () => `the run advances, but its coordinator printed:\n${pod.log}`,
      () => this.#lines() >= from + SOME_STEPS,
    );
  }

  #lines(): number {
    try {
      return readFileSync(join(this.folder, 'steps.jsonl'), 'utf8').split('\n').length;
    } catch {
      return 0;
    }
  }
}

/** A workload with another request for processors. */
function withCpu(workload: Workload, cpu: string): Workload {
  return JSON.parse(JSON.stringify(workload), (key, value) => (key === 'cpu' ? cpu : value));
}

function secretOf(name: string, files: readonly string[]): Secret {
  const data = files.map((file) => [basename(file), readFileSync(file).toString('base64')]);
  return { apiVersion: 'v1', kind: 'Secret', metadata: { name }, data: Object.fromEntries(data) };
}

/** What restricted namespaces ask for, seen from inside. */
async function assertHardened(pod: Pod, tokens: readonly string[]): Promise<void> {
  const status = await pod.exec(['cat', '/proc/1/status']);
  const fields = Object.fromEntries(status.split('\n').map((line) => line.split(/:\s*/)));
  const none = '0000000000000000';
  const { Uid, Gid, CapEff, CapPrm, CapBnd, NoNewPrivs, Seccomp } = fields;
  const ids = Array(4).fill(USER).join('\t');
  assert.deepEqual([Uid, Gid, fields.Groups.trim()], [ids, ids, String(USER)]);
  assert.deepEqual({ CapEff, CapPrm, CapBnd }, { CapEff: none, CapPrm: none, CapBnd: none });
  // 2: filtered.
  assert.deepEqual({ NoNewPrivs, Seccomp }, { NoNewPrivs: '1', Seccomp: '2' });
  assert.match(await pod.exec(['cat', '/proc/1/cmdline']), /^node\0/, 'Node is process 1');
  for (const folder of ['/opt/lockstep', '/work', '/run/secrets/lockstep']) {
    const { exitCode, stderr } = await pod.tryExec(['touch', `${folder}/written`]);
    assert.ok(exitCode !== 0 && stderr.includes('Read-only file system'), `${folder}: ${stderr}`);
  }
  for (const folder of ['/cache', '/tmp']) await pod.exec(['touch', `${folder}/written`]);
  for (const name of tokens) {
    const file = `/run/secrets/lockstep/${name}`;
    assert.equal(await pod.exec(['stat', '--dereference', '--format=%a %u %g', file]), `440 0 ${USER}\n`);
    assert.match(await pod.exec(['cat', file]), /^[\w-]{43}$/);
  }
}

describe('the pods of deploy/kubernetes', { skip: skipRender || skipContainers }, () => {
  let folder = '';
  let containerd: Containerd;
  let quiet: Program;

  before(async () => {
    folder = mkdtempSync(join(tmpdir(), 'lockstep-pods-'));
    const flags = Object.entries(SETTINGS).map(([name, value]) => `--${name}=${value}`);
    const more = ['--data', madeFile(folder, 1024, 128), '--workers', '1', '--metrics-port', 'off'];
    quiet = startLockstep(['train', ...flags, ...more, '--out', join(folder, 'quiet')]);
    mkdirSync(join(folder, 'containerd'));
    containerd = new Containerd(join(folder, 'containerd'));
    await containerd.start();
    await containerd.load(IMAGE_ARCHIVE, 'lockstep:0.1.0');
  });

  after(async () => {
    quiet?.signal('SIGKILL');
    await containerd?.stop();
    rmSync(folder, { recursive: true, force: true });
  });

  /** overlays/first with the settings of these tests, on a machine of its own. @param more other objects of the namespace */
  function makeRun(name: string, options: RenderOptions = {}, more: readonly Manifest[] = []): Run {
    const settings = Object.entries({ ...SETTINGS, data: '/cache/made.safetensors' }).map(([key, value]) => {
      return `LOCKSTEP_${key.toUpperCase().replaceAll('-', '_')}=${value}\n`;
    });
    const files = { 'run.env': settings.join(''), ...options.files };
    const objects = [render('namespace'), render('overlays/first', { ...options, files })]
      .flatMap(manifestsOf)
      .concat(more);
    mkdirSync(join(folder, name));
    const kubelet = new Kubelet({ containerd, folder: join(folder, name), objects });
    madeFile(sharedFolder(join(kubelet.claims, 'lockstep-runs', 'cache'), USER), 1024, 128);
    return new Run(kubelet, objects);
  }

  async function assertSame(run: Run): Promise<void> {
    const { status, stderr } = await quiet.ended;
    assert.equal(status, 0, stderr);
    const expected = join(folder, 'quiet');
    assert.deepEqual(stepsOf(run.folder), stepsOf(expected));
    const [result, quietResult] = [run.folder, expected].map(
      (path) => manifestOf(path).result as Record<string, unknown>,
    );
    assert.ok(quietResult?.weightsSha256);
    assert.equal(result?.weightsSha256, quietResult.weightsSha256);
  }

  /** Ends the coordinator twice and starts it anew. @returns the third one, which workers have found, and computes itself */
  async function replaceTwice(run: Run, first: Pod, workers: readonly Pod[]): Promise<Pod> {
    assert.equal(await first.kill(), SIGKILLED);
    await run.remove(first);
    const second = await run.startCoordinator('0');
    await joins(second, workers);
    await run.advances(second);
    // By itself, within the grace period.
    assert.equal(await second.terminate(), SIGTERMED);
    await run.remove(second);
    const third = await run.startCoordinator('1');
    await joins(third, workers);
    assert.equal(new Set([first, second, third].map(({ hostname }) => hostname)).size, 1);
    assert.equal(new Set([first, second, third].map(({ ip }) => ip)).size, 3, 'each has another address');
    return third;
  }

  async function joins(coordinator: Pod, workers: readonly Pod[]): Promise<void> {
    for (const pod of [coordinator, ...workers]) await pod.becomesReady();
    for (const { hostname } of workers) await coordinator.said(new RegExp(`Node ${hostname} joined`));
  }

  function assertResumed({ attempts }: Run): void {
    const [a, b, c] = attempts as [Attempt, Attempt, Attempt];
    assert.equal(attempts.length, 3, JSON.stringify(attempts));
    assert.equal(new Set(attempts.map(({ host }) => host)).size, 1);
    assert.ok(0 < b.from && b.from < c.from && c.from < SETTINGS.iterations, JSON.stringify(attempts));
    // The second one saved when it was told to end, the first one couldn't.
    assert.equal(b.steps, c.from);
    assert.equal(a.steps, undefined);
  }

  it('end with the same bits whatever is killed, replaced and scaled', HANG, async () => {
    const run = makeRun('plain');
    const early = await run.startWorker();
    await early.said(/No connection to ws:\/\/lockstep-first:9465 \(getaddrinfo .*trying again/);
    assert.deepEqual([await early.probe('livenessProbe'), await early.probe('readinessProbe')], [true, false]);
    await assertHardened(early, ['node-token']);
    const first = await run.startCoordinator('0');
    await assertHardened(first, ['metrics-token', 'node-token']);
    const stays = await run.startWorker();
    await joins(first, [early, stays]);
    await run.advances(first);

    assert.equal(await early.kill(), SIGKILLED);
    await run.remove(early);
    await run.advances(first);
    const workers = [await run.startWorker(), stays];
    const added = await run.startWorker();
    await joins(first, [...workers, added]);
    assert.equal(await added.terminate(), SIGTERMED);
    await run.advances(first);

    const third = await replaceTwice(run, first, workers);
    assert.equal(await third.ended(), 0, third.log);
    assertResumed(run);
    await assertSame(run);
    // They wait for the next run.
    for (const worker of workers) {
      assert.equal(await worker.probe('livenessProbe'), true);
      assert.equal(await worker.terminate(), SIGTERMED);
    }
  });

  it('do so with TLS and workers that end with the run', HANG, async () => {
    const secret = secretOf('lockstep-tls', makeCertificate(folder, 'lockstep-first'));
    const run = makeRun('tls', { components: ['worker-job', 'tls'] }, [secret]);
    const [killed, stays] = [await run.startWorker(0), await run.startWorker(1)];
    const first = await run.startCoordinator('0');
    await joins(first, [killed, stays]);
    await run.advances(first);
    assert.equal(await killed.kill(), SIGKILLED);
    await run.remove(killed);
    const workers = [await run.startWorker(0), stays];
    await joins(first, workers);
    const third = await replaceTwice(run, first, workers);
    assert.equal(await third.ended(), 0, third.log);
    for (const worker of workers) assert.equal(await worker.ended(), 0, worker.log);
    assertResumed(run);
    await assertSame(run);
  });

  it('end with the code that fails their Job if options are wrong', HANG, async () => {
    const files = { 'run.env': 'LOCKSTEP_BATCH=7\n' };
    const run = makeRun('wrong', { components: ['worker-job'], files });
    for (const kind of ['coordinator', 'worker'] as const) {
      const [rule] = run.failureRules(kind);
      assert.deepEqual([rule?.action, rule?.onExitCodes?.containerName], ['FailJob', kind]);
      assert.ok(rule?.onExitCodes?.values.includes(await run.refused(kind)));
    }
  });
});
