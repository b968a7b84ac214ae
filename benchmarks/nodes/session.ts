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
const SLOW_POLL_MS = 250;
/** A second in /proc/PID/stat. */
const TICKS = 100;
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

/** What a step or a round of local steps takes, on average. */
export interface PeriodFigures {
  readonly seconds: number;
  /** Of `seconds`: computing, by the slowest member's report; the coordinator's update isn't part of it. */
  readonly computing: number;
  /** Bytes. */
  readonly sent: number;
  readonly received: number;
  /** Processor time of the coordinator's process, and of all nodes' processes. */
  readonly coordinatorProcessor: number;
  readonly nodesProcessor: number;
}

interface StepLine {
  readonly step: number;
  readonly timings: {
    /** Unix time in milliseconds. */
    readonly at: number;
    readonly total: number;
    readonly phases: Readonly<Record<'sample' | 'compute' | 'reduce' | 'update', number>>;
  };
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
    // Whoever waits for a line then learns that none will come.
    this.#coordinator.once('close', () => this.#coordinator.emit('said'));
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
    const lines = (await this.#scrape()).split('\n').filter((line) => /^lockstep/.test(line));
    // The run's name and its id are labels of all of them.
    const named = lines.map((line) =>
      line.replace(/run="[^"]*",id="[^"]*",|,?run="[^"]*",id="[^"]*"(?=})/, '').replace('{}', ''),
    );
    return new Map(named.map((line) => [line.slice(0, line.lastIndexOf(' ')), Number(line.split(' ').at(-1))]));
  }

  async metricsBytes(): Promise<number> {
    return (await this.#scrape()).length;
  }

  async #scrape(): Promise<string> {
    const { found } = await this.said(/^Metrics: (\S+)/);
    return (await fetch(found)).text();
  }

  /** Waits until so many more steps are done. */
  async steps(count: number): Promise<void> {
    const until = stepsAt(await this.metrics()) + count;
    while (stepsAt(await this.metrics()) < until) await sleep(POLL_MS);
  }

  /** Waits for so many steps, then measures over so many seconds. */
  async measure({ warmup, seconds }: { readonly warmup: number; readonly seconds: number }): Promise<Window> {
    await this.steps(warmup);
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

  /** Waits for `warmup` periods of so many steps, then measures over `seconds`, and over `least` periods at least. Linux. */
  async measurePeriods({ steps, warmup, seconds, least }: PeriodOptions): Promise<PeriodFigures> {
    await this.steps(warmup * steps);
    const [before, processorBefore] = [await this.metrics(), this.#processorSeconds()];
    const from = stepsAt(before);
    // Each look takes the coordinator time.
    await sleep(1000 * seconds);
    let after = await this.metrics();
    for (; stepsAt(after) < from + least * steps; after = await this.metrics()) await sleep(SLOW_POLL_MS);
    const [processorAfter, until] = [this.#processorSeconds(), stepsAt(after)];
    const aPeriod = (change: number): number => (change * steps) / (until - from);
    const of = (name: string): number => aPeriod((after.get(name) ?? 0) - (before.get(name) ?? 0));
    // The log is written a little later.
    while ((this.#stepLines().at(-1)?.step ?? 0) < until) await sleep(POLL_MS);
    const lines = this.#stepLines().filter(({ step }) => step > from && step <= until);
    const ends = lines.filter(({ step }) => step % steps === 0).map(({ timings }) => timings.at);
    const isRound = steps > 1;
    const computing = lines.map(({ timings: { phases } }) => {
      return phases.sample + phases.compute + phases.reduce + (isRound ? phases.update : 0);
    });
    return {
      seconds: ((ends.at(-1) ?? 0) - (ends[0] ?? 0)) / (ends.length - 1) / 1000,
      computing: (steps * computing.reduce((sum, each) => sum + each, 0)) / lines.length,
      sent: of('lockstep_network_bytes_total{direction="sent"}'),
      received: of('lockstep_network_bytes_total{direction="received"}'),
      coordinatorProcessor: aPeriod(processorAfter.coordinator - processorBefore.coordinator),
      nodesProcessor: aPeriod(processorAfter.nodes - processorBefore.nodes),
    };
  }

  #processorSeconds(): { readonly coordinator: number; readonly nodes: number } {
    const nodes = this.nodes.reduce((sum, node) => sum + processorSecondsOf(node), 0);
    return { coordinator: processorSecondsOf(this.#coordinator), nodes };
  }

  /** Seconds of each step so far. */
  stepSeconds(): number[] {
    return this.#stepLines().map(({ timings }) => timings.total);
  }

  #stepLines(): StepLine[] {
    const lines = readFileSync(join(this.#folder, 'run', 'steps.jsonl'), 'utf8')
      .split('\n')
      .slice(0, -1);
    return lines.map((line) => JSON.parse(line));
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

export interface PeriodOptions {
  /** Of a period. */
  readonly steps: number;
  readonly warmup: number;
  readonly seconds: number;
  readonly least: number;
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

function stepsAt(metrics: Map<string, number>): number {
  return metrics.get('lockstep_steps_total') ?? 0;
}

/** User and system time of a process, of all its threads. */
function processorSecondsOf({ pid }: ChildProcess): number {
  const text = readFileSync(`/proc/${pid}/stat`, 'utf8');
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
  return (Number(fields[11]) + Number(fields[12])) / TICKS;
}

function start(place: Place, args: readonly string[], imports: readonly string[] = []): ChildProcess {
  const preloads = imports.flatMap((file) => ['--import', file]);
  const [command, ...rest] = [...place, process.execPath, ...preloads, CLI, ...args] as [string, ...string[]];
  const env = { ...process.env, LOCKSTEP_LOG_FORMAT: 'text' };
  return spawn(command, rest, { stdio: ['ignore', 'ignore', 'pipe'], env });
}
