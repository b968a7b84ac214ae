import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readFileSync, statSync, writeFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { newToken, Token } from '#src/shared/util/token.js';
import { DATA, lockstep, type Program, startLockstep } from '../support/program.ts';

const FLAGS = [
  'train',
  '--batch',
  '16',
  '--shard-size',
  '2',
  '--schedule',
  'constant',
  '--warmup',
  '0',
  '--evaluate-every',
  '100',
  '--checkpoint-every',
  '0',
  '--metrics-port',
  'off',
  '--json',
  ...DATA,
];
/** More steps than any fuzzing takes: the run is stopped. */
const ENDLESS = 1_000_000;
const HANG_MS = 20_000;

/** A coordinator that trains with one honest node, both processes of their own. */
export class Target {
  readonly host: string;
  readonly port: number;
  readonly token: Token;
  readonly #folder: string;
  readonly #coordinator: Program;
  readonly #node: Program;

  private constructor(folder: string, { url, token, coordinator, node }: Parts) {
    this.#folder = folder;
    this.#coordinator = coordinator;
    this.#node = node;
    this.token = token;
    const { hostname: host, port } = new URL(url);
    this.host = host;
    this.port = Number(port);
  }

  /** Starts both; resolves when the node computes. */
  static async start(folder: string): Promise<Target> {
    const file = join(folder, 'token');
    const text = newToken();
    writeFileSync(file, text);
    const listen = ['--listen', '127.0.0.1:0', '--token-file', file, '--workers', '0'];
    const run = ['--iterations', String(ENDLESS), '--out', join(folder, 'fuzzed')];
    const coordinator = startLockstep([...FLAGS, ...listen, ...run]);
    const url = (await coordinator.said(/^Nodes can connect/)).split(' ').at(-1) as string;
    const data = DATA.includes('synthetic') ? [] : DATA;
    const node = startLockstep(['worker', '--connect', url, '--token-file', file, '--threads', '1', ...data]);
    await node.said(/^Computing for/);
    return new Target(folder, { url, token: new Token(text), coordinator, node });
  }

  /** Resident memory of the coordinator in MiB. */
  get residentMebibytes(): number {
    const { stdout } = spawnSync('ps', ['-o', 'rss=', '-p', String(this.#coordinator.pid)], { encoding: 'utf8' });
    return Number(stdout) / 1024;
  }

  /** @throws Error if no step is done any more */
  async continues(): Promise<void> {
    const log = join(this.#folder, 'fuzzed', 'steps.jsonl');
    const before = statSync(log).size;
    const until = performance.now() + HANG_MS;
    while (statSync(log).size === before) {
      if (performance.now() > until) throw new Error('The run hangs: no step was done in 20 seconds.');
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }

  /** Stops the run behind its step, and does the same steps undisturbed. @throws AssertionError if anything differs */
  async compare(): Promise<{ readonly steps: number; readonly weightsSha256: string }> {
    this.#coordinator.signal('SIGTERM');
    const { status, stdout, stderr } = await this.#coordinator.ended;
    assert.equal(status, 143, stderr.slice(-4000));
    const name = hostname().replaceAll(/[.]/g, '\\.');
    const honest = stderr.split('\n').filter((line) => new RegExp(`^Node ${name} (joined|is gone)`).test(line));
    assert.equal(honest.length, 1, `the honest node was disturbed: ${honest.join(' ')}`);
    assert.doesNotMatch(stderr, /[^\P{C}\n]/u, 'a node steers the terminal');
    this.#node.signal('SIGKILL');
    const { steps, weightsSha256 } = JSON.parse(stdout);
    const out = join(this.#folder, 'undisturbed');
    const alone = lockstep([...FLAGS, '--workers', '1', '--iterations', String(steps), '--out', out]);
    assert.equal(alone.status, 0, alone.stderr);
    assert.equal(JSON.parse(alone.stdout).weightsSha256, weightsSha256, `other bits after ${steps} steps`);
    const [came, expected] = ['fuzzed', 'undisturbed'].map((run) => lossesOf(join(this.#folder, run)));
    assert.deepEqual(came, expected);
    return { steps, weightsSha256 };
  }

  kill(): void {
    this.#node.signal('SIGKILL');
    this.#coordinator.signal('SIGKILL');
  }
}

interface Parts {
  readonly url: string;
  readonly token: Token;
  readonly coordinator: Program;
  readonly node: Program;
}

/** Of each step, what came of its samples. */
function lossesOf(run: string): string[] {
  const lines = readFileSync(join(run, 'steps.jsonl'), 'utf8').trimEnd().split('\n');
  return lines.map((line) => {
    const { step, loss, accuracy } = JSON.parse(line);
    return [step, loss, accuracy].join(' ');
  });
}
