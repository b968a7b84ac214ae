import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

const CLI = fileURLToPath(new URL('../../cli/main.js', import.meta.url));
const POLL_MS = 20;
/** Far more steps than are measured, each worth the same. */
const ENDLESS = ['--iterations', '4000000000', '--schedule', 'constant', '--learning-rate', '0.001'];
const QUIET = ['--evaluate-every', '0', '--checkpoint-every', '0', '--hash-every', '0'];

/** Where a process runs: here, or behind a command such as `ip netns exec NAME`. */
export type Place = readonly string[];

export interface Window {
  readonly stepsPerSecond: number;
  /** Bytes a step. */
  readonly sent: number;
  readonly received: number;
  /** Partials of all nodes a step. */
  readonly partials: number;
}

export interface SessionOptions {
  readonly batch: number;
  /** Of the coordinator. */
  readonly workers: number;
  /** Where it listens for nodes; undefined: the pool alone. */
  readonly listen?: string;
  readonly flags?: readonly string[];
}

/** A coordinator process and its nodes. */
export class Session {
  readonly #coordinator: ChildProcess;
  readonly #folder = mkdtempSync(join(tmpdir(), 'lockstep-bench-'));
  readonly #lines: { readonly at: number; readonly text: string }[] = [];
  readonly nodes: ChildProcess[] = [];

  constructor({ batch, workers, listen, flags = [] }: SessionOptions) {
    const where = listen === undefined ? [] : ['--listen', listen];
    const args = ['--batch', String(batch), '--workers', String(workers), '--metrics-port', '0', ...where, ...flags];
    const out = ['--out', join(this.#folder, 'run')];
    this.#coordinator = start([], ['train', ...ENDLESS, ...QUIET, ...args, ...out]);
    const lines = createInterface({ input: this.#coordinator.stderr as NodeJS.ReadableStream });
    lines.on('line', (text) => {
      this.#lines.push({ at: performance.now(), text });
      this.#coordinator.emit('said');
    });
  }

  /** The first line that matches, behind the first `from` lines, and when it came. */
  async said(pattern: RegExp, from = 0): Promise<{ readonly at: number; readonly found: string }> {
    for (;;) {
      for (const { at, text } of this.#lines.slice(from)) {
        const match = pattern.exec(text);
        if (match !== null) return { at, found: match[1] ?? match[0] };
      }
      if (this.#coordinator.exitCode !== null) {
        throw new Error(`The run ended without ${pattern}:\n${this.#lines.map(({ text }) => text).join('\n')}`);
      }
      await once(this.#coordinator, 'said');
    }
  }

  get linesSoFar(): number {
    return this.#lines.length;
  }

  /** Starts a node and waits until it has joined. @returns seconds until it had, and until its first result */
  async join(threads: number, { place = [], imports = [], args = [] }: JoinOptions = {}): Promise<Joined> {
    const { found: url } = await this.said(/^Nodes can connect: .* (\S+)$/);
    const before = this.linesSoFar;
    const begin = performance.now();
    const flags = ['worker', '--connect', url, '--threads', String(threads), ...args];
    const node = start([...place], flags, imports);
    // Else a pipe that nobody reads would fill.
    node.stderr?.resume();
    this.nodes.push(node);
    const { at, found: name } = await this.said(/^Node (\S+) joined/, before);
    while (((await this.metrics()).get(`lockstep_partials_total{node="${name}"}`) ?? 0) === 0) await sleep(5);
    return { name, node, joined: (at - begin) / 1000, firstResult: (performance.now() - begin) / 1000 };
  }

  async metrics(): Promise<Map<string, number>> {
    const { found } = await this.said(/^Metrics: (\S+)/);
    const lines = (await (await fetch(found)).text()).split('\n').filter((line) => /^lockstep/.test(line));
    return new Map(lines.map((line) => [line.slice(0, line.lastIndexOf(' ')), Number(line.split(' ').at(-1))]));
  }

  /** Waits for so many steps, then measures over so many seconds. */
  async measure({ warmup, seconds }: { readonly warmup: number; readonly seconds: number }): Promise<Window> {
    const stepsAt = (metrics: Map<string, number>): number => metrics.get('lockstep_steps_total') ?? 0;
    const until = stepsAt(await this.metrics()) + warmup;
    while (stepsAt(await this.metrics()) < until) await sleep(POLL_MS);
    const [before, begin] = [await this.metrics(), performance.now()];
    await sleep(1000 * seconds);
    const [after, end] = [await this.metrics(), performance.now()];
    const steps = stepsAt(after) - stepsAt(before);
    const sumOf = (metrics: Map<string, number>, prefix: string): number =>
      [...metrics].reduce((sum, [name, value]) => sum + (name.startsWith(prefix) ? value : 0), 0);
    const aStep = (prefix: string): number => (sumOf(after, prefix) - sumOf(before, prefix)) / steps;
    return {
      stepsPerSecond: (1000 * steps) / (end - begin),
      sent: aStep('lockstep_network_bytes_total{direction="sent"}'),
      received: aStep('lockstep_network_bytes_total{direction="received"}'),
      partials: aStep('lockstep_partials_total'),
    };
  }

  /** Seconds of each step so far. */
  stepSeconds(): number[] {
    const lines = readFileSync(join(this.#folder, 'run', 'steps.jsonl'), 'utf8')
      .split('\n')
      .slice(0, -1);
    return lines.map((line) => JSON.parse(line).timings.total);
  }

  async end(): Promise<void> {
    const all = [this.#coordinator, ...this.nodes].filter(
      ({ exitCode, signalCode }) => exitCode === null && signalCode === null,
    );
    const ended = all.map((child) => once(child, 'exit'));
    for (const child of all) child.kill('SIGKILL');
    await Promise.all(ended);
    rmSync(this.#folder, { recursive: true });
  }
}

export interface JoinOptions {
  readonly place?: Place;
  /** Modules that the node loads first. */
  readonly imports?: readonly string[];
  readonly args?: readonly string[];
}

export interface Joined {
  readonly name: string;
  readonly node: ChildProcess;
  /** Seconds from the start of its process. */
  readonly joined: number;
  readonly firstResult: number;
}

function start(place: Place, args: readonly string[], imports: readonly string[] = []): ChildProcess {
  const preloads = imports.flatMap((file) => ['--import', file]);
  const [command, ...rest] = [...place, process.execPath, ...preloads, CLI, ...args] as [string, ...string[]];
  const env = { ...process.env, LOCKSTEP_LOG_FORMAT: 'text' };
  return spawn(command, rest, { stdio: ['ignore', 'ignore', 'pipe'], env });
}
