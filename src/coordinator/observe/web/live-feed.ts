import { basename } from 'node:path';
import {
  type FeedMessage,
  type NodeState,
  type NodeView,
  type RunState,
  type RunView,
  type StatusView,
  testPointOf,
} from '../../../shared/live/feed.ts';
import type { Point } from '../../../shared/live/series.ts';
import type {
  CheckpointRecord,
  EvaluationRecord,
  LeaveReason,
  RunEvent,
  StepObserver,
  StepRecord,
} from '../../train/observer.ts';
import type { NodeCounts } from '../prometheus/node-families.ts';
import { EventStreamClients } from './event-stream-clients.ts';
import { History } from './history.ts';

/** How often new steps and the status are sent. */
const STEPS_MS = 100;
const STATUS_MS = 1000;
/** Seconds over which speeds are averaged. */
const SPEED_SECONDS = 5;

/** Reads the outcomes of a node's shards so far, and what its process uses. */
type NodeReader = () => Pick<NodeCounts, 'shards' | 'processorSeconds' | 'memoryBytes'>;

/** The part of a run's view that never changes. */
export type RunHeading = Pick<
  RunView,
  'name' | 'started' | 'iterations' | 'batch' | 'hasAccuracy' | 'dataNote' | 'config' | 'digests'
> & { readonly shardSize: number };

/** A run's history for pages, which receive what is new as it comes; in bounded memory. */
export class LiveFeed implements StepObserver {
  readonly clients = new EventStreamClients();
  #heading: RunHeading;
  readonly #history = new History();
  readonly #nodes = new Map<string, Node>();
  readonly #timers: readonly NodeJS.Timeout[];
  #state: RunState = 'running';
  #weightsSha256: string | undefined;
  #pending: Point[] = [];
  readonly #rate = new RateMeter();
  #phases = new Map<string, number>();
  #phaseSteps = 0;

  constructor(heading: RunHeading) {
    this.#heading = heading;
    this.#timers = [setInterval(() => this.#sendSteps(), STEPS_MS), setInterval(() => this.#sendStatus(), STATUS_MS)];
    for (const timer of this.#timers) timer.unref();
  }

  /** Changes the run's name, which is final once its directory is made. */
  rename(name: string): void {
    this.#heading = { ...this.#heading, name };
  }

  /** Adds the steps of earlier attempts. Connected pages start anew with them. */
  async recall(records: AsyncIterable<StepRecord>): Promise<void> {
    for await (const record of records) this.#history.step(record);
    this.clients.send(this.snapshot());
  }

  snapshot(): FeedMessage {
    return { type: 'run', run: this.#view };
  }

  get #view(): RunView {
    const { shardSize: _, ...heading } = this.#heading;
    return { ...heading, state: this.#state, ...this.#history.view, weightsSha256: this.#weightsSha256 };
  }

  /** Reads a node's counts for each status. */
  watchNode(name: string, read: NodeReader): void {
    const node = this.#nodes.get(name);
    if (node === undefined) this.#nodes.set(name, new Node(name, read));
    else node.read = read;
  }

  forgetNode(name: string): void {
    this.#nodes.delete(name);
  }

  onStep(record: StepRecord): void {
    this.#pending.push(this.#history.step(record));
    for (const [phase, seconds] of Object.entries(record.timings.phases ?? {})) {
      this.#phases.set(phase, (this.#phases.get(phase) ?? 0) + seconds);
    }
    this.#phaseSteps++;
    if (record.weightsSha256 !== undefined) this.#weightsSha256 = record.weightsSha256;
  }

  onEvaluation(record: EvaluationRecord): void {
    this.#sendSteps();
    const test = testPointOf(record);
    this.#history.test(test);
    this.clients.send({ type: 'test', test });
  }

  onCheckpoint({ step, file }: CheckpointRecord): void {
    const checkpoint = { step, file: basename(file) };
    this.#history.checkpoint(checkpoint);
    this.clients.send({ type: 'checkpoint', checkpoint });
  }

  onEvent(event: RunEvent): void {
    if (event.kind === 'notice') {
      const happening = { at: Date.now(), message: event.message };
      this.#history.happening(happening);
      this.clients.send({ type: 'happening', happening });
      return;
    }
    if (event.kind === 'disk' || event.kind === 'listening') return;
    const node = this.#nodes.get(event.node);
    if (node === undefined) return;
    if (event.kind === 'workers') Object.assign(node, event.counts);
    else node.gone = event.kind === 'gone' ? event.reason : undefined;
    this.#sendStatus();
  }

  /** Sends how the run ended, and disconnects the pages. */
  async end(state: RunState): Promise<void> {
    if (this.#state !== 'running') return;
    for (const timer of this.#timers) clearInterval(timer);
    this.#sendSteps();
    this.#sendStatus();
    this.#state = state;
    await this.clients.end({ type: 'end', state, weightsSha256: this.#weightsSha256 });
  }

  #sendSteps(): void {
    const points = this.#pending;
    if (points.length === 0) return;
    this.#pending = [];
    this.#rate.count(points.length);
    this.clients.send({ type: 'steps', points });
  }

  #sendStatus(): void {
    this.clients.send({ type: 'status', status: this.#status() });
  }

  #status(): StatusView {
    const { batch, iterations, shardSize } = this.#heading;
    const perSecond = this.#rate.perSecond;
    const left = iterations - this.#history.lastStep;
    const steps = Math.max(1, this.#phaseSteps);
    const phases = Object.fromEntries([...this.#phases].map(([phase, seconds]) => [phase, seconds / steps]));
    this.#phases = new Map();
    this.#phaseSteps = 0;
    return {
      speed: perSecond * batch,
      left: perSecond > 0 ? left / perSecond : null,
      phases,
      nodes: [...this.#nodes.values()].map((node) => node.view(shardSize)),
    };
  }
}

/** A rate per second over the last seconds. */
class RateMeter {
  #marks: { at: number; total: number }[] = [{ at: performance.now(), total: 0 }];
  #total = 0;

  count(more: number): void {
    this.#total += more;
  }

  /** Counts up to a total. */
  reached(total: number): void {
    this.#total = total;
  }

  /** The rate now; each call also marks the current count. */
  get perSecond(): number {
    const now = performance.now();
    this.#marks.push({ at: now, total: this.#total });
    while (this.#marks.length > 2 && now - (this.#marks[1]?.at ?? now) >= 1000 * SPEED_SECONDS) this.#marks.shift();
    const first = this.#marks[0] as { at: number; total: number };
    return now > first.at ? (1000 * (this.#total - first.total)) / (now - first.at) : 0;
  }
}

class Node {
  readonly name: string;
  read: NodeReader;
  ready = 0;
  starting = 0;
  /** Why it left; undefined: it takes part. */
  gone: LeaveReason | undefined;
  readonly #samples = new RateMeter();
  readonly #processor = new RateMeter();

  constructor(name: string, read: NodeReader) {
    this.name = name;
    this.read = read;
  }

  view(shardSize: number): NodeView {
    const { name, ready, starting } = this;
    const { shards, processorSeconds, memoryBytes } = this.read();
    const { done, late, lost } = shards;
    this.#samples.reached((done + late) * shardSize);
    this.#processor.reached(processorSeconds);
    const [speed, processors] = [this.#samples.perSecond, this.#processor.perSecond];
    return { name, state: this.#state, ready, starting, speed, processors, memoryBytes, done, late, lost };
  }

  get #state(): NodeState {
    if (this.gone !== undefined) return this.gone === 'left' ? 'left' : 'lost';
    return this.ready > 0 ? 'ready' : 'starting';
  }
}
