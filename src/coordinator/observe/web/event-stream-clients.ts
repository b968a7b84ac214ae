import type { ServerResponse } from 'node:http';
import type { FeedMessage } from '../../../shared/live/feed.ts';

/** A page with more unread bytes than this is disconnected; it connects again by itself and starts anew. */
const MAX_WAITING_BYTES = 1 << 23;
/** The longest wait for the last message to be sent. */
const LAST_MESSAGE_MS = 1000;
/** The wait of a page before it connects again. */
const RETRY_MS = 1000;

/** The headers of a stream, besides those of every answer. A proxy must not buffer it. */
export const STREAM_HEADERS = { 'content-type': 'text/event-stream; charset=utf-8', 'x-accel-buffering': 'no' };

/** Pages that are connected by a stream of server-sent events. */
export class EventStreamClients {
  readonly #pages = new Set<ServerResponse>();

  get size(): number {
    return this.#pages.size;
  }

  /**
   * @param page its headers are sent
   * @param first the message that is sent at once
   */
  join(page: ServerResponse, first: FeedMessage): void {
    page.write(`retry: ${RETRY_MS}\n\n${textOf(first)}`);
    this.#pages.add(page);
    page.on('close', () => this.#pages.delete(page));
    page.on('error', () => this.#pages.delete(page));
  }

  send(message: FeedMessage): void {
    if (this.#pages.size === 0) return;
    const text = textOf(message);
    for (const page of this.#pages) {
      if (page.writableLength > MAX_WAITING_BYTES) page.destroy();
      else page.write(text);
    }
  }

  /** Sends the last message, and waits a moment until it is sent. */
  async end(message: FeedMessage): Promise<void> {
    this.send(message);
    const closed = [...this.#pages].map((page) => new Promise<void>((resolve) => page.end(resolve)));
    let timer: NodeJS.Timeout | undefined;
    const timeout = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, LAST_MESSAGE_MS);
    });
    await Promise.race([Promise.all(closed), timeout]);
    clearTimeout(timer);
  }
}

function textOf({ type, ...data }: FeedMessage): string {
  return `event: ${type}\ndata: ${JSON.stringify(data)}\n\n`;
}
