import type { FastifyInstance, RouteShorthandOptions } from 'fastify';
import { FEED_PATH, type FeedMessage, type ListedRunView, RUN_PATH } from '../../../shared/live/feed.ts';
import { LockstepError } from '../../../shared/util/errors.ts';
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
  /** A run of the list that the feed sends, by its name there; undefined: there is none. @throws LockstepError if it can't be read */
  run?(name: string): Promise<ListedRunView | undefined>;
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
  if (feed.run !== undefined) addRun(app, (name) => feed.run?.(name), guarded);
}

/** Adds the runs of a list, of which only those that are in it can be named. */
function addRun(
  app: FastifyInstance,
  read: (name: string) => Promise<ListedRunView | undefined> | undefined,
  guarded: RouteShorthandOptions,
): void {
  app.get(RUN_PATH, guarded, async ({ query }, reply) => {
    const { name } = query as { readonly name?: unknown };
    if (typeof name !== 'string') return reply.code(400).send('Expected one run, such as /run?name=first.\n');
    try {
      const run = await read(name);
      if (run === undefined) return reply.code(404).send('The list has no run of this name.\n');
      return reply.type('application/json; charset=utf-8').send(JSON.stringify(run));
    } catch (error) {
      if (!(error instanceof LockstepError)) throw error;
      return reply.code(500).send(`${error.message}\n`);
    }
  });
}
