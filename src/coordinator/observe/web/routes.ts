import type { FastifyInstance, RouteShorthandOptions } from 'fastify';
import { FEED_PATH, type FeedMessage } from '../../../shared/live/feed.ts';
import { type EventStreamClients, STREAM_HEADERS } from './event-stream-clients.ts';
import { addFiles } from './files.ts';

/** The build of src/page. */
const FILES = new URL('../../../page/', import.meta.url);
/** The most pages that are connected at once. */
const MAX_PAGES = 32;

/** The data that the page shows. */
export interface Feed {
  readonly clients: EventStreamClients;
  /** Everything so far, with which a page starts. */
  snapshot(): FeedMessage | Promise<FeedMessage>;
}

/** Adds the page at / with its files, and its feed. */
export function addPage(app: FastifyInstance, feed: Feed, guarded: RouteShorthandOptions): void {
  addFiles(app, FILES, { guarded });
  app.get(FEED_PATH, guarded, async ({ method }, reply) => {
    if (feed.clients.size >= MAX_PAGES) return reply.code(503).send('Too many pages watch this run.\n');
    reply.headers(STREAM_HEADERS);
    if (method === 'HEAD') return reply.send();
    const snapshot = await feed.snapshot();
    reply.hijack();
    for (const [name, value] of Object.entries(reply.getHeaders())) reply.raw.setHeader(name, value ?? '');
    feed.clients.join(reply.raw, snapshot);
    return reply;
  });
}
