import { readdirSync, readFileSync } from 'node:fs';
import { extname } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { FastifyInstance, RouteShorthandOptions } from 'fastify';

const MEDIA_TYPES: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.svg': 'image/svg+xml; charset=utf-8',
};

export interface PageOptions {
  /** Whether the page compiles WebAssembly. */
  readonly wasm?: boolean;
  /** Options of each file's route, such as who may read it. */
  readonly guarded?: RouteShorthandOptions;
}

/** The headers of a page, besides those of every answer: it may load from its own server alone. */
export function pageHeaders({ wasm = false }: PageOptions = {}): Record<string, string> {
  const script = `script-src 'self'${wasm ? " 'wasm-unsafe-eval'" : ''}`;
  return {
    'Content-Security-Policy': `default-src 'none'; ${script}; style-src 'self'; img-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'`,
    'Cache-Control': 'no-cache',
  };
}

/** Serves the files of a folder of the build; its index.html is at / too. */
export function addFiles(app: FastifyInstance, folder: URL, options: PageOptions = {}): void {
  const headers = pageHeaders(options);
  for (const [path, { type, bytes }] of filesOf(folder)) {
    app.get(path, options.guarded ?? {}, async (_request, reply) => reply.headers(headers).type(type).send(bytes));
  }
}

/** The files of a folder by path; they are few and small. */
function filesOf(folder: URL): Map<string, { readonly type: string; readonly bytes: Buffer }> {
  const files = new Map<string, { readonly type: string; readonly bytes: Buffer }>();
  const names = readdirSync(fileURLToPath(folder), { recursive: true, encoding: 'utf8' }).map((name) =>
    name.replaceAll('\\', '/'),
  );
  for (const name of names) {
    const type = MEDIA_TYPES[extname(name)];
    if (type !== undefined) files.set(`/${name}`, { type, bytes: readFileSync(new URL(name, folder)) });
  }
  const index = files.get('/index.html');
  if (index !== undefined) files.set('/', index);
  return files;
}
