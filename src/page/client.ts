import { FEED_PATH, type FeedMessage, type FeedType } from '../shared/live/feed.ts';

const TYPES: readonly FeedType[] = ['run', 'list', 'steps', 'test', 'checkpoint', 'happening', 'status', 'end'];
/** Milliseconds until the page asks again after an answer that is no feed. */
const RETRY_MS = 2000;
/** The other pages of this server in the same browser. */
const OTHERS = 'lockstep-pages';

export interface FeedEvents {
  onMessage(message: FeedMessage): void;
  /** The connection broke; the browser tries again by itself. */
  onLost(): void;
}

/** Listens to the feed until its end. After a lost connection the browser connects again, and the feed starts with everything. */
export function listen(events: FeedEvents): void {
  new Listener(events).follow();
}

/**
 * A browser permits six connections to a server, so one more page wouldn't even load. A page that is hidden gives its connection up
 * once another page is shown, and connects again when it is shown itself. The page that was seen last stays connected when it is
 * hidden, so that it has the end of the run.
 */
class Listener {
  readonly #events: FeedEvents;
  readonly #others = new BroadcastChannel(OTHERS);
  #source: EventSource | undefined;
  #isOtherShown = false;
  #isOver = false;

  constructor(events: FeedEvents) {
    this.#events = events;
  }

  follow(): void {
    this.#others.addEventListener('message', () => {
      this.#isOtherShown = true;
      this.#leave();
    });
    document.addEventListener('visibilitychange', () => this.#update());
    this.#update();
  }

  #update(): void {
    this.#leave();
    if (document.hidden || this.#isOver) return;
    this.#isOtherShown = false;
    this.#others.postMessage('shown');
    if (this.#source === undefined) this.#connect();
  }

  /** Gives the connection up if somebody looks at another page instead of this one. */
  #leave(): void {
    if (!document.hidden || !this.#isOtherShown) return;
    this.#source?.close();
    this.#source = undefined;
  }

  #connect(): void {
    const source = new EventSource(FEED_PATH);
    this.#source = source;
    source.addEventListener('error', () => {
      this.#events.onLost();
      // The browser gives up after an answer that is no feed, such as "too many pages".
      if (source.readyState !== EventSource.CLOSED) return;
      this.#source = undefined;
      setTimeout(() => this.#update(), RETRY_MS);
    });
    for (const type of TYPES) {
      source.addEventListener(type, ({ data }: MessageEvent<string>) => {
        if (type === 'end') this.#end();
        this.#events.onMessage({ type, ...JSON.parse(data) } as FeedMessage);
      });
    }
  }

  #end(): void {
    this.#isOver = true;
    this.#source?.close();
    this.#others.close();
  }
}
