import { basename } from 'node:path';
import {
  type FeedMessage,
  type RunState,
  type RunView,
  type StatusView,
  testPointOf,
} from '../../../shared/live/feed.ts';
import type { Point } from '../../../shared/live/series.ts';
import type { CheckpointRecord, EvaluationRecord, RunEvent, StepObserver, StepRecord } from '../../train/observer.ts';
import type { NodeViews } from '../nodes/node-views.ts';
import { RateMeter } from '../nodes/rate-meter.ts';
import { EventStreamClients } from './event-stream-clients.ts';
import { History } from './history.ts';

/** How often new steps and the status are sent. */
const STEPS_MS = 100;
const STATUS_MS = 1000;

/** The part of a run's view that never changes. */
export type RunHeading = Pick<
  RunView,
  'name' | 'started' | 'iterations' | 'batch' | 'hasAccuracy' | 'dataNote' | 'config' | 'digests'
>;

/** A run's history for pages, which receive what is new as it comes; in bounded memory. */
export class LiveFeed implements StepObserver {
  readonly clients = new EventStreamClients();
  #heading: RunHeading;
  readonly #history = new History();
  readonly #nodes: NodeViews;
  readonly #timers: readonly NodeJS.Timeout[];
  #state: RunState = 'running';
  #weightsSha256: string | undefined;
  #pending: Point[] = [];
  readonly #rate = new RateMeter();
  #phases = new Map<string, number>();
  #phaseSteps = 0;

  constructor(heading: RunHeading, nodes: NodeViews) {
    this.#heading = heading;
    this.#nodes = nodes;
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
    return { ...this.#heading, state: this.#state, ...this.#history.view, weightsSha256: this.#weightsSha256 };
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
    // A node has changed.
    if (event.kind !== 'disk' && event.kind !== 'listening') this.#sendStatus();
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
    const { batch, iterations } = this.#heading;
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
      nodes: this.#nodes.recent,
    };
  }
}
