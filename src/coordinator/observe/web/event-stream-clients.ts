import type { ServerResponse } from 'node:http';
import type { FeedMessage } from '../../../shared/live/feed.ts';

/** A page that reads so slowly that this much waits for it is dropped; it comes back by itself, and begins anew. */
const MAX_WAITING_BYTES = 1 << 23;
/** For what was sent last to arrive. */
const FAREWELL_MS = 1000;
/** Before a page whose connection broke tries again. */
const RETRY_MS = 1000;

/** The pages that watch, each by a stream of server-sent events. */
export class EventStreamClients {
  readonly #pages = new Set<ServerResponse>();

  get size(): number {
    return this.#pages.size;
  }

  /** @param first what it is told at once */
  join(page: ServerResponse, first: FeedMessage): void {
    page.writeHead(200, {
      'Content-Type': 'text/event-stream; charset=utf-8',
      'Cache-Control': 'no-store',
      // A proxy on the way must not hold it back.
      'X-Accel-Buffering': 'no',
    });
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

  /** Says the last word, and waits a moment for it to arrive. */
  async end(message: FeedMessage): Promise<void> {
    this.send(message);
    const gone = [...this.#pages].map((page) => new Promise<void>((resolve) => page.end(resolve)));
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, FAREWELL_MS);
    });
    await Promise.race([Promise.all(gone), late]);
    clearTimeout(timer);
  }
}

function textOf({ type, ...data }: FeedMessage): string {
  return `event: ${type}\ndata: ${JSON.stringify(data)}\n\n`;
}
