import { addAbortListener } from 'node:events';
import type { StepObserver, StepRecord } from '../../train/observer.ts';
import { Delivery, type DeliveryOptions } from './delivery.ts';
import type { SampleCounts } from './metrics.ts';
import type { Position, SendCursor } from './send-cursor.ts';
import { type Batch, type Origin, StepQueue } from './step-queue.ts';
import { encodeBatch } from './write-request.ts';

/** The longest time that a step waits to be sent. */
const FLUSH_MS = 1000;
/** The longest wait for the last samples after a run's end, and after a stop. */
const FINISH_MS = 10_000;
const STOPPED_MS = 3000;

export interface RemoteWriterOptions extends DeliveryOptions {
  /** The run's name. */
  readonly run: string;
  /** Its id, which tells runs of one name apart; undefined: the samples have none. */
  readonly id?: string | undefined;
  /** The number of this process among those of the run, from 1 on. */
  readonly attempt: number;
  /** Records how far the samples have been sent. */
  readonly cursor?: SendCursor | undefined;
  /** The size of the queue in bytes. */
  readonly queueBytes?: number;
}

/**
 * Sends the samples of every step to a Prometheus remote write receiver: concurrently with the steps, in batches, in order, one request
 * at a time. Steps never wait: if the queue is full because the receiver is away, the oldest samples are dropped.
 */
export class RemoteWriter implements StepObserver, SampleCounts {
  readonly #options: RemoteWriterOptions;
  readonly #delivery: Delivery;
  readonly #queue: StepQueue;
  #sent = 0;
  #dropped = 0;
  /** Samples of the batch that is being sent. */
  #sendingSamples = 0;
  #sending: Promise<void> | undefined;
  #timer: NodeJS.Timeout | undefined;
  /** Whether a batch that isn't full is sent too. */
  #due = false;
  #closed = false;
  #warnedOfQueue = false;
  /** The timestamp of the last step, and whether steps have shared one. */
  #lastAt: number | undefined;
  #hasShared = false;
  /** The last step with a final answer. */
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
    return this.#queue.samples + this.#sendingSamples;
  }

  /** Never throws, never waits. */
  onStep(record: StepRecord): void {
    this.#add(record, { attempt: this.#options.attempt, mayBeDelivered: false });
  }

  /**
   * Sends what earlier processes logged and the receiver may lack; called before the first step.
   * @param attemptOf the attempt that a step of the log belongs to
   */
  async replay(log: AsyncIterable<StepRecord>, since: Position, attemptOf: (step: number) => number): Promise<void> {
    this.#answered = { attempt: since.attempt, step: since.answered };
    for await (const record of log) {
      const attempt = attemptOf(record.step);
      const isAnswered = attempt < since.attempt || (attempt === since.attempt && record.step <= since.answered);
      if (isAnswered) this.#queue.pass(record);
      else this.#add(record, { attempt, mayBeDelivered: attempt === since.attempt && record.step <= since.asked });
    }
  }

  /**
   * Sends what waits, for some seconds at most, fewer after a stop; drops the rest and ignores later steps.
   * @param stop may be aborted meanwhile
   */
  async finish(stop: AbortSignal): Promise<{ readonly sent: number; readonly dropped: number }> {
    this.#closed = true;
    clearTimeout(this.#timer);
    const endAfter = (milliseconds: number) => setTimeout(() => this.#delivery.end(), milliseconds);
    const timers = [endAfter(FINISH_MS)];
    const stopping = addAbortListener(stop, () => timers.push(endAfter(STOPPED_MS)));
    if (this.#delivery.failing)
      this.#options.onNotice(
        'Remote write: the samples that wait for the receiver are tried for some more seconds.',
        'warn',
      );
    this.#delivery.shortenWaits();
    await this.#sending;
    this.#due = true;
    this.#send();
    await this.#sending;
    stopping[Symbol.dispose]();
    for (const timer of timers) clearTimeout(timer);
    return { sent: this.#sent, dropped: this.#dropped };
  }

  #add(record: StepRecord, origin: Origin): void {
    if (this.#closed) return;
    this.#noteShared(record.timings.at);
    const dropped = this.#queue.add(record, origin);
    if (dropped > 0) this.#countDropped(dropped);
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
      this.#sendingSamples = batch.samples;
      await this.#sendBatch(batch);
      this.#sendingSamples = 0;
    }
  }

  async #sendBatch(batch: Batch): Promise<void> {
    const { cursor } = this.#options;
    const { attempt, mayBeDelivered } = batch.origin;
    const asked = batch.last;
    const answered = this.#answered.attempt === attempt ? this.#answered.step : 0;
    await cursor?.write({ attempt, answered, asked });
    const isTaken = await this.#delivery.deliver(() => encodeBatch(batch, this.#options), mayBeDelivered);
    if (isTaken) this.#sent += batch.samples;
    else this.#dropped += batch.samples;
    if (isTaken === undefined) return;
    this.#answered = { attempt, step: asked };
    await cursor?.write({ attempt, answered: asked, asked });
  }

  #noteShared(at: number | undefined): void {
    if (!this.#hasShared && at !== undefined && at === this.#lastAt) {
      this.#hasShared = true;
      this.#options.onNotice(
        'Remote write: steps take less than a millisecond, for which a series can have one sample: of each millisecond the first step is sent.',
      );
    }
    this.#lastAt = at;
  }

  #countDropped(samples: number): void {
    this.#dropped += samples;
    if (this.#warnedOfQueue) return;
    this.#warnedOfQueue = true;
    this.#options.onNotice(
      'Remote write: too many samples wait for the receiver; the oldest are DROPPED from now on.',
      'warn',
    );
  }
}
