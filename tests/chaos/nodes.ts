// Runs on real node processes behind the proxy, which are disturbed as a schedule says and must come to the undisturbed bits.
import assert from 'node:assert/strict';
import { mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { newToken } from '#src/shared/util/token.js';
import { DATA, lockstep, type Program, startLockstep, stepsOf } from '../support/program.ts';
import { within } from './deadline.ts';
import { Fleet } from './fleet.ts';
import { type Action, EVERY, ITERATIONS, type NodeSchedule } from './node-schedule.ts';
import { HAPPENED, type ProcessFault } from './process-faults.ts';
import { Progress } from './progress.ts';
import { Tally } from './tally.ts';
import { ProxyProcess } from './wire/proxy-process.ts';

const FAULTS = fileURLToPath(new URL('./process-faults.js', import.meta.url));
const FLAGS = ['--iterations', String(ITERATIONS), '--batch', '64', '--shard-size', '4'];
/** The jobs that are disturbed: steps over the whole batch, and rounds of replicas. */
export const JOBS = { steps: [], rounds: ['--replicas', '4', '--sync-every', '5'] } as const;
export type JobName = keyof typeof JOBS;
const SAVED = ['--checkpoint-every', String(EVERY), '--evaluate-every', '80', '--keep', '2'];
const QUIET = ['--metrics-port', 'off', '--json'];
/** No run takes longer, unless it hangs. */
const HANG_MS = 600_000;
/** For nodes to begin; far less than the silence after which they give a coordinator up. */
const GATHER_MS = 4000;

/** What a disturbed run is held against. */
export interface Undisturbed {
  readonly job: JobName;
  readonly weightsSha256: string;
  readonly chain: string;
  readonly steps: readonly unknown[];
}

/** One worker, without nodes. */
export function undisturbed(folder: string, job: JobName = 'steps'): Undisturbed {
  const run = join(folder, `undisturbed-${job}`);
  const args = ['train', ...FLAGS, ...JOBS[job], ...SAVED, ...QUIET, ...DATA, '--workers', '1', '--out', run];
  const { status, stdout, stderr } = lockstep(args);
  assert.equal(status, 0, stderr);
  return { job, ...resultOf(stdout), steps: stepsOf(run) };
}

/**
 * Carries a schedule out.
 * @throws AssertionError where the run failed, hung, left a process or came to other bits; with what all processes said
 */
export async function disturb(folder: string, schedule: NodeSchedule, expected: Undisturbed): Promise<Tally> {
  mkdirSync(folder);
  const proxy = await ProxyProcess.start();
  const disturbance = new Disturbance(folder, schedule, { proxy, job: expected.job });
  try {
    const stdout = await within(HANG_MS, disturbance.run(), 'the run ends');
    assert.deepEqual(resultOf(stdout), { weightsSha256: expected.weightsSha256, chain: expected.chain });
    assert.deepEqual(stepsOf(disturbance.directory), expected.steps);
  } catch (error) {
    throw new Error(`${(error as Error).message}\n${await disturbance.testimony()}`, { cause: error });
  } finally {
    await disturbance.kill();
    await proxy.stop();
  }
  for (const pid of [proxy.pid, ...disturbance.pids]) assert.throws(() => process.kill(pid, 0), /ESRCH/);
  rmSync(folder, { recursive: true });
  return disturbance.tally;
}

/** One run while it is disturbed. */
class Disturbance {
  /** What has really happened, and how often. */
  readonly tally = new Tally();
  readonly directory: string;
  readonly #schedule: NodeSchedule;
  readonly #proxy: ProxyProcess;
  readonly #job: JobName;
  readonly #fleet: Fleet;
  readonly #token: string;
  /** Has a process do to itself what this file says. */
  readonly #processFault: string;
  readonly #env: NodeJS.ProcessEnv;
  /** One after the other: a crashed one is followed by the next. */
  readonly #coordinators: Program[] = [];

  constructor(folder: string, schedule: NodeSchedule, { proxy, job }: { proxy: ProxyProcess; job: JobName }) {
    this.#job = job;
    this.directory = join(folder, 'run');
    this.#token = join(folder, 'token');
    this.#schedule = schedule;
    this.#proxy = proxy;
    writeFileSync(this.#token, `${newToken()}\n`);
    this.#processFault = join(folder, 'process-fault.json');
    this.#env = { NODE_OPTIONS: `--import=${FAULTS}`, PROCESS_FAULT: this.#processFault };
    const isWithout = schedule.lacksData || DATA.includes('synthetic');
    const flags = ['--connect', proxy.url, '--token-file', this.#token, ...(isWithout ? [] : DATA)];
    const without = schedule.lacksData ? { MNIST_DIR: '', XDG_CACHE_HOME: join(folder, 'cache') } : {};
    this.#fleet = new Fleet(flags, { ...this.#env, ...without });
  }

  get pids(): number[] {
    return [...this.#coordinators, ...this.#fleet.programs].map(({ pid }) => pid);
  }

  /** @returns the coordinator's stdout */
  async run(): Promise<string> {
    const { nodes, events } = this.#schedule;
    for (let i = 0; i < nodes; i++) this.#fleet.join();
    await this.#proxy.holds(nodes);
    let coordinator = await this.#start('--out', this.directory, ...FLAGS, ...JOBS[this.#job], ...SAVED, ...DATA);
    const progress = new Progress(this.directory);
    await this.#gather(coordinator, progress);
    for (const { step, action } of events) {
      if (!(await progress.reaches(step, coordinator.ended))) break;
      if (action.kind === 'crash') coordinator = await this.#crash(coordinator);
      else this.#act(action);
    }
    const { status, stdout } = await coordinator.ended;
    assert.equal(status, 0, 'The coordinator failed.');
    // Nobody is there any more; who waits in a black hole finds out.
    this.#proxy.close();
    for (const code of await this.#fleet.end()) {
      // None: it had only just begun, and the signal ended it. 1: it gave up in that moment, for what is looked at below.
      assert.ok([0, 1, 143, null].includes(code), `A node that was asked to leave ended with ${code}.`);
    }
    for (const line of this.#fleet.surrenders) {
      const [, code] = /\((\d+)\)/.exec(line) ?? [];
      assert.ok(code !== undefined, `A node ended by itself, and not for a close code: ${line}`);
      this.tally.add(`gave up ${code}`);
    }
    return stdout;
  }

  /** What all processes said. They are killed for it. */
  async testimony(): Promise<string> {
    await this.kill();
    const programs = [...this.#coordinators, ...this.#fleet.programs];
    const said = programs.map(async ({ pid, ended }, i) => {
      const { status, stderr } = await ended;
      return `-- ${i < this.#coordinators.length ? 'coordinator' : 'node'} ${pid}, exit code ${status}:\n${stderr}`;
    });
    return (await Promise.all(said)).join('\n');
  }

  async kill(): Promise<void> {
    const ended = this.#fleet.end();
    for (const program of [...this.#coordinators, ...this.#fleet.programs]) program.signal('SIGKILL');
    await Promise.all([ended, ...this.#coordinators.map((each) => each.ended)]);
  }

  /** A coordinator that computes itself would be done before its nodes have begun: it is stopped until they have. */
  async #gather(coordinator: Program, progress: Progress): Promise<void> {
    if (this.#schedule.workers === 0 || !(await progress.reaches(EVERY, coordinator.ended))) return;
    coordinator.signal('SIGSTOP');
    const computing = Promise.all(this.#fleet.programs.map(({ said }) => said(/^Computing for/)));
    await within(GATHER_MS, computing, 'the nodes compute').catch(() => {});
    coordinator.signal('SIGCONT');
  }

  /** A coordinator, to which the proxy forwards from now on. */
  async #start(...flags: readonly string[]): Promise<Program> {
    const listening = ['--listen', '127.0.0.1:0', '--token-file', this.#token];
    const workers = ['--workers', String(this.#schedule.workers)];
    const program = startLockstep(['train', ...flags, ...listening, ...workers, ...QUIET], this.#env);
    this.#coordinators.push(program);
    const line = await program.said(/^Nodes can connect/);
    this.#proxy.aim(Number(new URL(line.split(' ').at(-1) as string).port));
    return program;
  }

  async #crash(coordinator: Program): Promise<Program> {
    if (!coordinator.signal('SIGKILL')) return coordinator;
    this.#proxy.close();
    await coordinator.ended;
    this.tally.add('crash');
    return this.#start('--resume', this.directory);
  }

  #act(action: Exclude<Action, { readonly kind: 'crash' }>): void {
    const hit = (): void => this.tally.add(action.kind === 'wire' ? action.fault.kind : action.kind);
    const fleet = this.#fleet;
    switch (action.kind) {
      case 'join':
        if (fleet.join()) hit();
        break;
      case 'leave':
      case 'kill':
        if (fleet[action.kind](action.node)) hit();
        break;
      case 'stop':
        if (fleet.stop(action.node, action.during)) hit();
        break;
      case 'unreachable':
        this.#vanish(action.during, hit);
        break;
      case 'suspend':
        this.#suspend(action.during, hit);
        break;
      case 'stall':
      case 'setBack':
        this.#inflict(action, hit);
        break;
      case 'wire':
        void this.#proxy.inflict(action.fault, action.where, hit);
        // So that there is a next one.
        if (action.where === 'next') void this.#proxy.inflict({ kind: 'cut' }, 0, () => {});
    }
  }

  #suspend(during: number, hit: () => void): void {
    const coordinator = this.#coordinators.at(-1);
    if (!coordinator?.signal('SIGSTOP')) return;
    setTimeout(() => coordinator.signal('SIGCONT') && hit(), during);
  }

  /** All processes do it to themselves; one that says so is enough. */
  #inflict(fault: ProcessFault, hit: () => void): void {
    // Renamed: of two faults at one step, a process may read the first one's file while the second one's is written.
    writeFileSync(`${this.#processFault}.new`, JSON.stringify(fault));
    renameSync(`${this.#processFault}.new`, this.#processFault);
    let isHit = false;
    for (const program of [...this.#coordinators.slice(-1), ...this.#fleet.programs]) {
      if (!program.signal('SIGURG')) continue;
      program.said(HAPPENED[fault.kind]).then(
        () => {
          if (!isHit) hit();
          isHit = true;
        },
        () => {},
      );
    }
  }

  #vanish(during: number, hit: () => void): void {
    const crashes = this.#coordinators.length;
    const port = this.#proxy.port;
    this.#proxy.close(hit);
    // A coordinator that was resumed meanwhile can be reached.
    setTimeout(() => this.#coordinators.length === crashes && port !== undefined && this.#proxy.aim(port), during);
  }
}

function resultOf(stdout: string): Pick<Undisturbed, 'weightsSha256' | 'chain'> {
  const { weightsSha256, chain } = JSON.parse(stdout);
  return { weightsSha256, chain };
}
