import { readdirSync, readFileSync } from 'node:fs';
import { extname } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { FastifyInstance } from 'fastify';
import { FEED_PATH, type FeedMessage } from '../../shared/live/feed.ts';
import type { Audience } from './audience.ts';

/** What the build made of src/page. */
const FILES = new URL('../../page/', import.meta.url);
const MEDIA_TYPES: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.svg': 'image/svg+xml; charset=utf-8',
};
/** The page takes everything from here, and nothing from anywhere else. */
const HEADERS = {
  'Content-Security-Policy':
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
  'X-Content-Type-Options': 'nosniff',
  'Referrer-Policy': 'no-referrer',
  'Cache-Control': 'no-cache',
};
/** Pages that watch at once. */
const MOST_PAGES = 32;

/** What the page shows. */
export interface Feed {
  readonly audience: Audience;
  /** All that a page needs to begin with, as of now. */
  beginning(): FeedMessage | Promise<FeedMessage>;
}

/** Adds the page at / with its files, and the feed that it draws. */
export function addPage(app: FastifyInstance, feed: Feed): void {
  for (const [path, file] of pageFiles()) {
    app.get(path, async (_request, reply) => reply.headers(HEADERS).type(file.type).send(file.bytes));
  }
  app.get(FEED_PATH, async (_request, reply) => {
    if (feed.audience.size >= MOST_PAGES) return reply.code(503).send('Too many pages watch this run.\n');
    const beginning = await feed.beginning();
    reply.hijack();
    feed.audience.join(reply.raw, beginning);
    return reply;
  });
}

/** A handful of small files, by their paths. */
function pageFiles(): Map<string, { readonly type: string; readonly bytes: Buffer }> {
  const files = new Map<string, { readonly type: string; readonly bytes: Buffer }>();
  const names = readdirSync(fileURLToPath(FILES), { recursive: true, encoding: 'utf8' }).map((name) =>
    name.replaceAll('\\', '/'),
  );
  for (const name of names) {
    const type = MEDIA_TYPES[extname(name)];
    if (type !== undefined) files.set(`/${name}`, { type, bytes: readFileSync(new URL(name, FILES)) });
  }
  const index = files.get('/index.html');
  if (index !== undefined) files.set('/', index);
  return files;
}
