import { addAbortListener } from 'node:events';
import { setTimeout as wait } from 'node:timers/promises';
import pRetry, { AbortError } from 'p-retry';
import type { Print, Severity } from '../../../shared/util/notice.ts';
import { printable } from '../../../shared/util/printable.ts';
import { byProxy, proxiedFetch } from '../../../shared/util/proxy.ts';
import type { Token } from '../../../shared/util/token.ts';
import { NoAnswerError, RejectedError, RetryableError, retryAfterMs, textOf } from './answers.ts';
import { HEADERS } from './write-request.ts';

/** A receiver of samples. */
export interface Destination {
  readonly url: string;
  /** Sent as a bearer token. */
  readonly token?: Token | undefined;
  /** Names the proxy, if there is one. */
  readonly env?: NodeJS.ProcessEnv;
}

/** Milliseconds. */
export interface RetryTiming {
  /** The longest wait for an answer. */
  readonly attempt: number;
  /** The wait before the second attempt; it doubles with each attempt, with jitter, up to `maxRetry`. */
  readonly retry: number;
  readonly maxRetry: number;
}

const TIMING: RetryTiming = { attempt: 10_000, retry: 500, maxRetry: 10_000 };
/** The waits once the run is over. */
const FINAL_TIMING = { retry: 100, maxRetry: 1000 };
/** Doublings up to the longest wait, which is then repeated. */
const DOUBLINGS = 6;
const SHOWN_CHARACTERS = 300;

export interface DeliveryOptions extends Destination {
  readonly userAgent: string;
  /** Called with a sentence for the person who watches the run. */
  readonly onNotice: Print;
  readonly timing?: RetryTiming;
}

/** Sends requests to a receiver one after the other, each until it has a final answer. */
export class Delivery {
  readonly #options: DeliveryOptions;
  readonly #place: string;
  readonly #end = new AbortController();
  /** Ends the wait between two attempts. */
  #retryFor = new AbortController();
  #timing: RetryTiming;
  #posting = false;
  /** The last attempt failed, which was reported. */
  #failing = false;
  /** Statuses of rejections that were reported. */
  readonly #rejections = new Set<number>();

  constructor(options: DeliveryOptions) {
    this.#options = options;
    this.#timing = options.timing ?? TIMING;
    this.#place = `${placeOf(options.url)}${byProxy(options.url, options.env ?? {})}`;
  }

  /** The last attempt failed. */
  get failing(): boolean {
    return this.#failing;
  }

  /**
   * Never throws; await one call before the next, since a receiver wants samples in order.
   * @param encode makes the request's body; not called after `end`
   * @param sentBefore an earlier process may have sent it
   * @returns whether the receiver took it; undefined: given up
   */
  async deliver(encode: () => Uint8Array, sentBefore: boolean): Promise<boolean | undefined> {
    let mayBeDelivered = sentBefore;
    let body: Uint8Array | undefined;
    while (!this.#end.signal.aborted) {
      body ??= encode();
      const failed = (error: Error): void => {
        mayBeDelivered ||= error instanceof RetryableError && error.mayBeDelivered;
      };
      try {
        await this.#postWithRetries(body, failed);
        this.#recovered();
        return true;
      } catch (error) {
        if (error instanceof RejectedError) return (mayBeDelivered && error.isDuplicate) || this.#rejected(error);
        // The wait was cut short, or the delivery ended.
      }
    }
    return undefined;
  }

  /** The run is over: sends what waits at once, and retries more often. */
  shortenWaits(): void {
    this.#timing = { ...this.#timing, ...FINAL_TIMING };
    // A current attempt is awaited: a concurrent one could overtake it.
    if (!this.#posting) this.#retryFor.abort();
  }

  /** Gives up, the current attempt included. */
  end(): void {
    this.#end.abort();
    this.#retryFor.abort();
  }

  /** @throws RejectedError, or another error if the wait was cut short or the delivery ended */
  #postWithRetries(body: Uint8Array, failed: (error: Error) => void): Promise<void> {
    const retryFor = new AbortController();
    this.#retryFor = retryFor;
    const timing = this.#timing;
    return pRetry(() => this.#attempt(body), {
      forever: true,
      retries: DOUBLINGS,
      factor: 2,
      randomize: true,
      minTimeout: timing.retry,
      maxTimeout: timing.maxRetry,
      signal: retryFor.signal,
      onFailedAttempt: async (error) => {
        failed(error);
        if (this.#end.signal.aborted) throw error;
        this.#failed(error);
        if (this.#timing !== timing) throw error;
        const later = error instanceof RetryableError ? error.retryAfter : 0;
        if (later > 0) await wait(later, undefined, { signal: retryFor.signal });
      },
    });
  }

  /** @throws AbortError of a RejectedError, or RetryableError */
  async #attempt(body: Uint8Array): Promise<void> {
    this.#posting = true;
    try {
      const { status, text, retryAfter } = await this.#post(body);
      if (status >= 200 && status < 300) return;
      const shown = this.#shown(text);
      if (status !== 429 && status < 500) throw new AbortError(new RejectedError(status, shown));
      const reason = `it answers ${status}${shown && ` (${shown})`}`;
      throw new RetryableError(reason, { retryAfter, mayBeDelivered: status !== 429 });
    } finally {
      this.#posting = false;
    }
  }

  /** @throws NoAnswerError */
  async #post(body: Uint8Array): Promise<{ status: number; text: string; retryAfter: number }> {
    const { url, token, userAgent, env = {} } = this.#options;
    const controller = new AbortController();
    const milliseconds = this.#timing.attempt;
    const timer = setTimeout(() => controller.abort(`no answer within ${milliseconds / 1000} s`), milliseconds);
    const ending = addAbortListener(this.#end.signal, () => controller.abort());
    try {
      const secret = token === undefined ? {} : { Authorization: `Bearer ${secretOf(token)}` };
      const headers = { ...HEADERS, 'User-Agent': userAgent, ...secret };
      const init = { method: 'POST', body, redirect: 'manual', signal: controller.signal, headers } as const;
      const response = await proxiedFetch(url, init, env);
      // By the receiver's clock, if it says: this machine's may have been set.
      const now = Date.parse(response.headers.get('date') ?? '') || Date.now();
      const retryAfter = retryAfterMs(response.headers.get('retry-after'), now);
      return { status: response.status, text: await textOf(response), retryAfter };
    } catch (error) {
      throw new NoAnswerError(error);
    } finally {
      clearTimeout(timer);
      ending[Symbol.dispose]();
    }
  }

  #failed({ message }: Error): void {
    if (!this.#failing) this.#print(`${message}. Samples are kept and sent again.`, 'warn');
    this.#failing = true;
  }

  #recovered(): void {
    if (this.#failing) this.#print('it takes samples again.');
    this.#failing = false;
  }

  #rejected({ status, message }: RejectedError): false {
    // A final answer: the receiver works.
    this.#failing = false;
    if (!this.#rejections.has(status))
      this.#print(`${message}. Those samples are DROPPED, as are others with that answer.`, 'warn');
    this.#rejections.add(status);
    return false;
  }

  #print(what: string, severity: Severity = 'info'): void {
    this.#options.onNotice(`Remote write to ${this.#place}: ${what}`, severity);
  }

  /** The beginning of a receiver's text without the token, which it may repeat. */
  #shown(text: string): string {
    const token = this.#options.token;
    const hidden = token === undefined ? text : text.replaceAll(secretOf(token), String(token));
    const plain = printable(hidden.trim());
    return plain.length > SHOWN_CHARACTERS ? `${plain.slice(0, SHOWN_CHARACTERS)}…` : plain;
  }
}

/** A receiver's URL without its query, which may hold a key. */
export function placeOf(url: string): string {
  const { origin, pathname } = new URL(url);
  return `${origin}${pathname}`;
}

function secretOf({ key }: Token): string {
  return Buffer.from(key).toString();
}
