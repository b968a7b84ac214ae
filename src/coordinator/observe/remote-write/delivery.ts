import { setTimeout as wait } from 'node:timers/promises';
import pRetry, { AbortError } from 'p-retry';
import { printable } from '../../../shared/util/printable.ts';
import type { Token } from '../../../shared/util/token.ts';
import { Refusal, retryAfterMs, TriedInVain, textOf, UnansweredError } from './answers.ts';
import { HEADERS } from './write-request.ts';

/** Where samples go. */
export interface Destination {
  readonly url: string;
  /** Sent as a bearer token. */
  readonly token?: Token | undefined;
}

/** Milliseconds. */
export interface Pace {
  /** An attempt without an answer ends after this. */
  readonly attempt: number;
  /** Between the first attempt and the second; each one doubles it, with jitter, up to the most. */
  readonly retry: number;
  readonly maxRetry: number;
}

const PACE: Pace = { attempt: 10_000, retry: 500, maxRetry: 10_000 };
/** When the run is over. */
const HURRIED = { retry: 100, maxRetry: 1000 };
/** Doublings up to the most; the last delay is then repeated. */
const DOUBLINGS = 6;
const SHOWN_CHARACTERS = 300;

export interface DeliveryOptions extends Destination {
  readonly userAgent: string;
  /** Takes a sentence for the person who watches the run. */
  readonly onNotice: (message: string) => void;
  readonly pace?: Pace;
}

/** Brings requests to a receiver, one after the other, each until it was answered for good. */
export class Delivery {
  readonly #options: DeliveryOptions;
  readonly #place: string;
  readonly #end = new AbortController();
  /** Aborted: the wait between two attempts is over. */
  #retryFor = new AbortController();
  #pace: Pace;
  #posting = false;
  /** The receiver's trouble was told, and lasts. */
  #troubled = false;
  /** Those that were told. */
  readonly #refusals = new Set<number>();

  constructor(options: DeliveryOptions) {
    this.#options = options;
    this.#pace = options.pace ?? PACE;
    this.#place = placeOf(options.url);
  }

  /** The last attempt failed. */
  get troubled(): boolean {
    return this.#troubled;
  }

  /**
   * Never throws; await one call before the next, since a receiver wants samples in order.
   * @param encode makes the request's body; not called where it is given up already
   * @param sentBefore an earlier process may have sent it
   * @returns whether the receiver took it; undefined where it is given up
   */
  async deliver(encode: () => Uint8Array, sentBefore: boolean): Promise<boolean | undefined> {
    let mayHaveCome = sentBefore;
    let body: Uint8Array | undefined;
    while (!this.#end.signal.aborted) {
      body ??= encode();
      const failed = (error: Error): void => {
        mayHaveCome ||= error instanceof TriedInVain && error.mayHaveCome;
      };
      try {
        await this.#persist(body, failed);
        this.#recovered();
        return true;
      } catch (error) {
        if (error instanceof Refusal) return (mayHaveCome && error.hasItAlready) || this.#refused(error);
        // Hurried or ended.
      }
    }
    return undefined;
  }

  /** The run is over: what waits is tried at once, and more often. */
  hurry(): void {
    this.#pace = { ...this.#pace, ...HURRIED };
    // An attempt under way is awaited: another one beside it could overtake it.
    if (!this.#posting) this.#retryFor.abort();
  }

  /** Gives up, also the attempt under way. */
  end(): void {
    this.#end.abort();
    this.#retryFor.abort();
  }

  /** @throws Refusal, or anything else where it was hurried or ended */
  #persist(body: Uint8Array, failed: (error: Error) => void): Promise<void> {
    const retryFor = new AbortController();
    this.#retryFor = retryFor;
    const pace = this.#pace;
    return pRetry(() => this.#attempt(body), {
      ...{ forever: true, retries: DOUBLINGS, factor: 2, randomize: true },
      ...{ minTimeout: pace.retry, maxTimeout: pace.maxRetry, signal: retryFor.signal },
      onFailedAttempt: async (error) => {
        failed(error);
        if (this.#end.signal.aborted) throw error;
        this.#failed(error);
        if (this.#pace !== pace) throw error;
        const later = error instanceof TriedInVain ? error.retryAfter : 0;
        if (later > 0) await wait(later, undefined, { signal: retryFor.signal });
      },
    });
  }

  /** @throws AbortError of a Refusal, or TriedInVain */
  async #attempt(body: Uint8Array): Promise<void> {
    this.#posting = true;
    try {
      const { status, text, retryAfter } = await this.#post(body);
      if (status >= 200 && status < 300) return;
      const shown = this.#shown(text);
      if (status !== 429 && status < 500) throw new AbortError(new Refusal(status, shown));
      const reason = `it answers ${status}${shown && ` (${shown})`}`;
      throw new TriedInVain(reason, { retryAfter, mayHaveCome: status !== 429 });
    } finally {
      this.#posting = false;
    }
  }

  /** @throws UnansweredError */
  async #post(body: Uint8Array): Promise<{ status: number; text: string; retryAfter: number }> {
    const { url, token, userAgent } = this.#options;
    const controller = new AbortController();
    const abort = (): void => controller.abort();
    const milliseconds = this.#pace.attempt;
    const timer = setTimeout(() => controller.abort(`no answer within ${milliseconds / 1000} s`), milliseconds);
    this.#end.signal.addEventListener('abort', abort);
    try {
      const secret = token === undefined ? {} : { Authorization: `Bearer ${secretOf(token)}` };
      const response = await fetch(url, {
        ...{ method: 'POST', body, redirect: 'manual', signal: controller.signal },
        headers: { ...HEADERS, 'User-Agent': userAgent, ...secret },
      });
      const retryAfter = retryAfterMs(response.headers.get('retry-after'), Date.now());
      return { status: response.status, text: await textOf(response), retryAfter };
    } catch (error) {
      throw new UnansweredError(error);
    } finally {
      clearTimeout(timer);
      this.#end.signal.removeEventListener('abort', abort);
    }
  }

  #failed({ message }: Error): void {
    if (!this.#troubled) this.#print(`${message}. Samples are kept and sent again.`);
    this.#troubled = true;
  }

  #recovered(): void {
    if (this.#troubled) this.#print('it takes samples again.');
    this.#troubled = false;
  }

  #refused({ status, message }: Refusal): false {
    // An answer for good: the next batch may fare better.
    this.#troubled = false;
    if (!this.#refusals.has(status)) this.#print(`${message}. Those samples are DROPPED, as others with that answer.`);
    this.#refusals.add(status);
    return false;
  }

  #print(what: string): void {
    this.#options.onNotice(`Remote write to ${this.#place}: ${what}`);
  }

  /** The beginning of a receiver's words, which may repeat what it was sent. */
  #shown(text: string): string {
    const token = this.#options.token;
    const hidden = token === undefined ? text : text.replaceAll(secretOf(token), String(token));
    const plain = printable(hidden.trim());
    return plain.length > SHOWN_CHARACTERS ? `${plain.slice(0, SHOWN_CHARACTERS)}…` : plain;
  }
}

/** A receiver's URL as it is shown: without what a query may hold. */
export function placeOf(url: string): string {
  const { origin, pathname } = new URL(url);
  return `${origin}${pathname}`;
}

function secretOf({ key }: Token): string {
  return Buffer.from(key).toString();
}
