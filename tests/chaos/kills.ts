// Nodes of a listening run that are killed one after the other while they compute, and replaced ahead of it.
import assert from 'node:assert/strict';
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { DATA, lockstep, type Program, startLockstep, stepsOf } from '../support/program.ts';
import { within } from './deadline.ts';

const NODES = 4;
/** Of one run: as many steps are left when its kills are done. */
const STEPS_A_KILL = 15;
const MAX_KILLS = 200;
const SAVED = [
  '--batch',
  '64',
  '--shard-size',
  '4',
  '--checkpoint-every',
  '100',
  '--evaluate-every',
  '0',
  '--keep',
  '2',
];
const QUIET = ['--metrics-port', 'off', '--json'];
/** Without a kill or the run's end; far more than a node needs to start, and a run for what is left to do. */
const HANG_MS = 600_000;

/**
 * Kills so many nodes, in as many runs as that takes.
 * @returns how many runs those were
 * @throws AssertionError where a run came to other bits, Error where one hung
 */
export async function killNodes(folder: string, kills: number): Promise<number> {
  const iterations = String(STEPS_A_KILL * Math.min(kills, MAX_KILLS));
  const flags = ['train', '--iterations', iterations, ...SAVED, ...QUIET, ...DATA];
  const whole = join(folder, 'whole');
  const alone = lockstep([...flags, '--workers', '1', '--out', whole]);
  assert.equal(alone.status, 0, alone.stderr);
  let runs = 0;
  for (let done = 0; done < kills; runs++) {
    const out = join(folder, String(runs));
    // Every other run has a worker of its own, which continues whatever happens to nodes.
    const args = [...flags, '--workers', String(runs % 2), '--listen', '127.0.0.1:0', '--out', out];
    const run = new Shooting(startLockstep(args), Math.min(kills - done, MAX_KILLS));
    try {
      const stdout = await run.ends();
      assert.equal(JSON.parse(stdout).weightsSha256, JSON.parse(alone.stdout).weightsSha256);
      assert.deepEqual(stepsOf(out), stepsOf(whole));
    } finally {
      await run.killAll();
    }
    assert.ok(run.kills > 0, 'The run was over before a node could be killed.');
    done += run.kills;
    console.error(`${done} of ${kills} kills, ${runs + 1} runs.`);
    rmSync(out, { recursive: true });
  }
  return runs;
}

/** One run. */
class Shooting {
  kills = 0;
  readonly #coordinator: Program;
  readonly #quota: number;
  readonly #nodes = new Set<Program>();
  #isOver = false;

  constructor(coordinator: Program, quota: number) {
    this.#coordinator = coordinator;
    this.#quota = quota;
  }

  /** @returns the coordinator's stdout */
  async ends(): Promise<string> {
    const url = (await this.#coordinator.said(/^Nodes can connect/)).split(' ').at(-1) as string;
    const over = this.#coordinator.ended.then(() => {
      this.#isOver = true;
    });
    await Promise.all(Array.from({ length: NODES }, () => this.#relay(url, over)));
    const { status, stdout, stderr } = await within(HANG_MS, this.#coordinator.ended, 'the run ends');
    assert.equal(status, 0, stderr);
    return stdout;
  }

  async killAll(): Promise<void> {
    for (const { signal } of [this.#coordinator, ...this.#nodes]) signal('SIGKILL');
    await Promise.all([this.#coordinator, ...this.#nodes].map(({ ended }) => ended));
  }

  /** Each node computes until the next one does. */
  async #relay(url: string, over: Promise<void>): Promise<void> {
    let last = this.#join(url);
    while (!this.#isOver && this.kills < this.#quota) {
      const next = this.#join(url);
      const computing = [last, next].map(({ said }) => said(/^Computing for/));
      // Whoever comes when the run is over never computes.
      await within(
        HANG_MS,
        Promise.race([over, Promise.all(computing)]).catch(() => over),
        'a node computes',
      );
      if (this.#isOver || this.kills >= this.#quota) return;
      if (last.signal('SIGKILL')) this.kills++;
      last = next;
    }
  }

  #join(url: string): Program {
    const data = DATA.includes('synthetic') ? [] : DATA;
    const node = startLockstep(['worker', '--connect', url, '--threads', '1', ...data]);
    this.#nodes.add(node);
    void node.ended.then(() => this.#nodes.delete(node));
    return node;
  }
}
