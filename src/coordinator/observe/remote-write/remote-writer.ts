import type { StepObserver, StepRecord } from '../../train/observer.ts';
import { Delivery, type DeliveryOptions } from './delivery.ts';
import type { SampleCounts } from './metrics.ts';
import type { Position, SendCursor } from './send-cursor.ts';
import { type Batch, type Origin, StepQueue } from './step-queue.ts';
import { encodeBatch } from './write-request.ts';

/** A step waits no longer to be sent. */
const FLUSH_MS = 1000;
/** What the last samples are waited for at a run's end, and where it was stopped. */
const FINISH_MS = 10_000;
const STOPPED_MS = 3000;

export interface RemoteWriterOptions extends DeliveryOptions {
  /** The run's name. */
  readonly run: string;
  /** Which process's part of the run this is, from 1 on. */
  readonly attempt: number;
  /** Told how far the samples have come. */
  readonly cursor?: SendCursor | undefined;
  /** The most that waits for the receiver, in bytes. */
  readonly queueBytes?: number;
}

/**
 * Sends the samples of every single step to a Prometheus remote write receiver: beside the steps, batched, in order, one request at
 * a time. Steps never wait: where the receiver is away for longer than the queue lasts, the oldest samples are dropped.
 */
export class RemoteWriter implements StepObserver, SampleCounts {
  readonly #options: RemoteWriterOptions;
  readonly #delivery: Delivery;
  readonly #queue: StepQueue;
  #sent = 0;
  #dropped = 0;
  /** Of the batch under way. */
  #underWay = 0;
  #sending: Promise<void> | undefined;
  #timer: NodeJS.Timeout | undefined;
  /** A batch that isn't full is sent too. */
  #due = false;
  #closed = false;
  #warnedOfQueue = false;
  /** The last step that the receiver answered for. */
  #answered = { attempt: 0, step: 0 };

  constructor(options: RemoteWriterOptions) {
    this.#options = options;
    this.#delivery = new Delivery(options);
    this.#queue = new StepQueue(options.queueBytes);
  }

  /** Samples that the receiver took. */
  get sent(): number {
    return this.#sent;
  }

  get dropped(): number {
    return this.#dropped;
  }

  get pending(): number {
    return this.#queue.samples + this.#underWay;
  }

  /** Never throws, never waits. */
  onStep(record: StepRecord): void {
    this.#add(record, { attempt: this.#options.attempt, mayHaveCome: false });
  }

  /**
   * Sends what earlier processes logged and the receiver may lack; before the first step.
   * @param attemptOf tells whose a step of the log is
   */
  async recall(log: AsyncIterable<StepRecord>, since: Position, attemptOf: (step: number) => number): Promise<void> {
    this.#answered = { attempt: since.attempt, step: since.answered };
    for await (const record of log) {
      const attempt = attemptOf(record.step);
      if (attempt < since.attempt || (attempt === since.attempt && record.step <= since.answered)) continue;
      this.#add(record, { attempt, mayHaveCome: attempt === since.attempt && record.step <= since.asked });
    }
  }

  /**
   * Sends what waits, for some seconds at most, fewer after a stop; the rest is dropped. Steps that come later are ignored.
   * @param stop may be aborted meanwhile
   */
  async finish(stop: AbortSignal): Promise<{ readonly sent: number; readonly dropped: number }> {
    this.#closed = true;
    clearTimeout(this.#timer);
    const give = (milliseconds: number) => setTimeout(() => this.#delivery.end(), milliseconds);
    const timers = [give(stop.aborted ? STOPPED_MS : FINISH_MS)];
    const hasten = (): void => {
      timers.push(give(STOPPED_MS));
    };
    stop.addEventListener('abort', hasten);
    if (this.#delivery.troubled)
      this.#options.onNotice('Remote write: what waits for the receiver is tried for some seconds more.');
    this.#delivery.hurry();
    await this.#sending;
    this.#due = true;
    this.#send();
    await this.#sending;
    stop.removeEventListener('abort', hasten);
    for (const timer of timers) clearTimeout(timer);
    return { sent: this.#sent, dropped: this.#dropped };
  }

  #add(record: StepRecord, origin: Origin): void {
    if (this.#closed) return;
    const dropped = this.#queue.add(record, origin);
    if (dropped > 0) this.#gaveWay(dropped);
    if (this.#queue.hasWholeBatch) this.#send();
    this.#timer ??= setTimeout(() => this.#flush(), FLUSH_MS).unref();
  }

  #flush(): void {
    this.#timer = undefined;
    this.#due = true;
    this.#send();
  }

  #send(): void {
    this.#sending ??= this.#sendWaiting().finally(() => {
      this.#sending = undefined;
    });
  }

  async #sendWaiting(): Promise<void> {
    while (this.#queue.hasWholeBatch || this.#due) {
      const batch = this.#queue.take();
      if (this.#queue.samples === 0) this.#due = false;
      if (batch === undefined) return;
      this.#underWay = batch.samples;
      await this.#sendBatch(batch);
      this.#underWay = 0;
    }
  }

  async #sendBatch(batch: Batch): Promise<void> {
    const { run, cursor } = this.#options;
    const { attempt, mayHaveCome } = batch.origin;
    const asked = batch.last;
    const answered = this.#answered.attempt === attempt ? this.#answered.step : 0;
    await cursor?.write({ attempt, answered, asked });
    const isTaken = await this.#delivery.deliver(() => encodeBatch(batch, run), mayHaveCome);
    if (isTaken) this.#sent += batch.samples;
    else this.#dropped += batch.samples;
    if (isTaken === undefined) return;
    this.#answered = { attempt, step: asked };
    await cursor?.write({ attempt, answered: asked, asked });
  }

  #gaveWay(samples: number): void {
    this.#dropped += samples;
    if (this.#warnedOfQueue) return;
    this.#warnedOfQueue = true;
    this.#options.onNotice(
      'Remote write: too many samples wait for the receiver; the oldest are DROPPED from here on.',
    );
  }
}
