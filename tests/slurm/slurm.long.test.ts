// Jobs of a real Slurm, of which nodes and processes are lost: a requeued job continues its run, to the bits of a quiet one.
import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { eventually } from '../support/eventually.ts';
import { madeFile } from '../support/made-images.ts';
import { manifestOf, type Program, startLockstep, stepsOf } from '../support/program.ts';
import { kill, SlurmCluster, skip } from './cluster.ts';
import { SCRIPTS } from './scripts.ts';

const CLI = fileURLToPath(new URL('../../cli/main.js', import.meta.url));
const HANG = { timeout: 300_000 };
/** Steps between two events: few of them all, so that each event meets the run in the middle. */
const SOME_STEPS = 20;

interface Attempt {
  readonly from: number;
  /** Its last step. */
  readonly steps?: number;
  readonly host: string;
}

/** A job of the run script, by what can be seen of it from outside. */
class RunJob {
  readonly run: string;
  readonly id: string;
  readonly #cluster: SlurmCluster;
  readonly #output: string;

  constructor(cluster: SlurmCluster, { run, args, flags }: { run: string; args: string; flags: readonly string[] }) {
    this.#cluster = cluster;
    this.run = run;
    this.#output = `${run}.out`;
    const variables = { ...variablesFor(run), TRAIN_ARGS: args, LISTEN: '127.0.0.1' };
    const options = ['--parsable', '--cpus-per-task=1', `--output=${this.#output}`, ...flags];
    this.id = cluster.run(['sbatch', ...options, SCRIPTS.run], variables);
  }

  /** A field such as BatchHost. */
  field(name: string): string {
    return fieldOf(this.#cluster, this.id, name);
  }

  async said(pattern: RegExp): Promise<RegExpExecArray> {
    return eventually(
      () => `job ${this.id} prints ${pattern}, but it printed:\n${textOf(this.#output)}`,
      () => pattern.exec(textOf(this.#output)) ?? undefined,
    );
  }

  /** Waits until some more steps are in the log. */
  async advances(): Promise<void> {
    const log = join(this.run, 'steps.jsonl');
    const from = textOf(log).split('\n').length;
    await eventually(
      () => `job ${this.id} advances, but it printed:\n${textOf(this.#output)}`,
      () => textOf(log).split('\n').length >= from + SOME_STEPS,
    );
  }

  get attempts(): readonly Attempt[] {
    return manifestOf(this.run).attempts as readonly Attempt[];
  }
}

function variablesFor(run: string): NodeJS.ProcessEnv {
  const cache = join(tmpdir(), 'lockstep-tests-cache');
  return {
    RUN: run,
    PROGRAM: `${process.execPath} ${CLI}`,
    WORKER_ARGS: '--threads 1',
    XDG_CACHE_HOME: cache,
  };
}

/** Empty as long as there is no such file. */
function textOf(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return '';
  }
}

function fieldOf(cluster: SlurmCluster, job: string, name: string): string {
  const [, value] = new RegExp(`(?:^| )${name}=(\\S*)`).exec(cluster.run(['scontrol', 'show', 'job', '-o', job])) ?? [];
  return value ?? '';
}

async function assertCompletes(cluster: SlurmCluster, job: string, output: string): Promise<void> {
  const state = await eventually(
    () => `job ${job} ends, but it printed:\n${textOf(output)}`,
    () => {
      const found = fieldOf(cluster, job, 'JobState');
      return ['PENDING', 'RUNNING', 'COMPLETING', 'SUSPENDED'].includes(found) ? undefined : found;
    },
  );
  assert.deepEqual([state, fieldOf(cluster, job, 'ExitCode')], ['COMPLETED', '0:0'], textOf(output));
}

describe('a run as a Slurm job', { skip, concurrency: true }, () => {
  let folder = '';
  let args = '';
  let quiet: Program;
  let cluster: SlurmCluster;

  before(async () => {
    folder = mkdtempSync(join(tmpdir(), 'lockstep-slurm-'));
    const data = madeFile(folder, 1024, 128);
    const flags = ['--data', data, '--iterations', '600', '--batch', '512', '--checkpoint-every', '10'];
    const train = [...flags, '--evaluate-every', '100', '--metrics-port', 'off'];
    // No step is done before a node joins, and none while its worker is suspended.
    args = [...train, '--workers', '0'].join(' ');
    quiet = startLockstep(['train', ...train, '--workers', '1', '--out', join(folder, 'quiet')]);
    mkdirSync(join(folder, 'slurm'));
    cluster = new SlurmCluster(join(folder, 'slurm'));
    await cluster.start({
      main: { nodes: ['n1', 'n2', 'n3', 'n4', 'n5'] },
      short: { nodes: ['s1', 's2', 's3'] },
      low: { nodes: ['p1', 'p2'] },
      urgent: { nodes: ['p1', 'p2'], priority: 2 },
    });
  });

  after(async () => {
    quiet?.signal('SIGKILL');
    await cluster?.stop();
    rmSync(folder, { recursive: true, force: true });
  });

  async function assertSame(job: RunJob): Promise<void> {
    const { status, stderr } = await quiet.ended;
    assert.equal(status, 0, stderr);
    const expected = join(folder, 'quiet');
    assert.deepEqual(stepsOf(job.run), stepsOf(expected));
    const [result, quietResult] = [job.run, expected].map((run) => manifestOf(run).result as Record<string, unknown>);
    assert.ok(quietResult?.weightsSha256);
    assert.equal(result?.weightsSha256, quietResult.weightsSha256);
    assert.equal(textOf(`${job.run}.address`), '', 'other workers still look for the run');
  }

  it('continues after a killed worker, a requeue to other nodes, and the loss of its first node', HANG, async () => {
    const run = join(folder, 'disturbed');
    const job = new RunJob(cluster, { run, args, flags: ['--nodes=3'] });
    const [, other] = (await job.said(/Node (n\d) joined/)) as unknown as [string, string];
    await job.advances();
    const first = job.field('BatchHost');
    const workers = cluster.processesOf(other).filter((pid) => textOf(`/proc/${pid}/cmdline`).includes('\0worker\0'));
    assert.equal(workers.length, 1);
    for (const pid of workers) kill(pid);
    await job.said(new RegExp(`Node ${other} is gone`));
    await job.advances();

    cluster.run(['scontrol', 'update', `NodeName=${first}`, 'State=DRAIN', 'Reason=test']);
    cluster.run(['scontrol', 'requeue', job.id]);
    await job.said(/attempt 1 of job[\s\S]*Node n\d joined/);
    await job.advances();

    cluster.cut(job.field('BatchHost'));
    await job.said(/attempt 2 of job/);
    await assertCompletes(cluster, job.id, `${run}.out`);
    const [a, b, c] = job.attempts as [Attempt, Attempt, Attempt];
    assert.equal(job.attempts.length, 3);
    assert.equal(new Set([a.host, b.host, c.host]).size, 3, 'each attempt is on another node');
    assert.ok(0 < b.from && b.from < c.from, JSON.stringify(job.attempts));
    // The requeued job ended with a checkpoint; the lost one continues from the newest that was there.
    assert.equal(a.steps, b.from);
    await assertSame(job);
  });

  it('requeues itself before its time limit, and workers of other jobs follow it', HANG, async () => {
    const run = join(folder, 'limited');
    const flags = ['--partition=short', '--nodes=1', '--time=1', '--signal=B:USR1@20'];
    const job = new RunJob(cluster, { run, args, flags });
    const output = `${run}.workers`;
    const options = ['--parsable', '--partition=short', '--array=1', '--cpus-per-task=1', `--output=${output}`];
    const elastic = cluster.run(['sbatch', ...options, SCRIPTS.workers], variablesFor(run));
    await job.advances();
    // Without its only worker the run waits, and can't be done before the limit.
    cluster.run(['scontrol', 'suspend', elastic]);
    cluster.run(['scontrol', 'update', `NodeName=${job.field('BatchHost')}`, 'State=DRAIN', 'Reason=test']);
    await job.said(/the time limit is near[\s\S]*requeued after USR1[\s\S]*attempt 1 of job/);
    cluster.run(['scontrol', 'resume', elastic]);
    await assertCompletes(cluster, job.id, `${run}.out`);
    await assertCompletes(cluster, elastic, output);
    const [a, b] = job.attempts as [Attempt, Attempt];
    assert.ok(b.from > 0 && a.steps === b.from && a.host !== b.host, JSON.stringify(job.attempts));
    await assertSame(job);
  });

  it('makes room for an urgent job, and continues after it', HANG, async () => {
    const run = join(folder, 'preempted');
    const job = new RunJob(cluster, { run, args, flags: ['--partition=low', '--nodes=2'] });
    await job.said(/Node p\d joined/);
    await job.advances();
    const over = join(folder, 'over');
    const wrap = `--wrap=until [ -e ${over} ]; do sleep 0.2; done`;
    const options = ['--parsable', '--partition=urgent', '--nodes=2', '--exclusive', `--output=${over}.out`];
    const urgent = cluster.run(['sbatch', ...options, wrap]);
    await eventually(
      () => `the urgent job runs, but the run printed:\n${textOf(`${run}.out`)}`,
      () => fieldOf(cluster, urgent, 'JobState') === 'RUNNING',
    );
    assert.equal(job.field('JobState'), 'PENDING');
    assert.equal(manifestOf(run).state, 'stopped');
    writeFileSync(over, '');
    await assertCompletes(cluster, job.id, `${run}.out`);
    const [a, b] = job.attempts as [Attempt, Attempt];
    assert.ok(b.from > 0 && a.steps === b.from, JSON.stringify(job.attempts));
    await assertSame(job);
  });
});
