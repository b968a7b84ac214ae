import { FEED_PATH, type FeedMessage, type FeedType } from '../shared/live/feed.ts';

const TYPES: readonly FeedType[] = ['runs', 'steps', 'test', 'checkpoint', 'happening', 'status', 'end'];

export interface FeedEvents {
  onMessage(message: FeedMessage): void;
  /** The connection broke; the browser tries again by itself. */
  onLost(): void;
}

/** Listens to the feed until its end. After a lost connection the browser connects again, and the feed starts with everything. */
export function listen({ onMessage, onLost }: FeedEvents): void {
  const source = new EventSource(FEED_PATH);
  source.addEventListener('error', () => {
    onLost();
    // The browser gives up after an answer that is no feed, such as "too many pages".
    if (source.readyState === EventSource.CLOSED) setTimeout(() => listen({ onMessage, onLost }), 2000);
  });
  for (const type of TYPES) {
    source.addEventListener(type, ({ data }: MessageEvent<string>) => {
      if (type === 'end') source.close();
      onMessage({ type, ...JSON.parse(data) } as FeedMessage);
    });
  }
}
