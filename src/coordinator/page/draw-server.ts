import type { AddressInfo } from 'node:net';
import { type FastifyInstance, fastify } from 'fastify';
import { littleEndianBytes } from '../../shared/checkpoint/safetensors.ts';
import { ListenError } from '../../shared/errors.ts';
import { type DrawingModel, MODEL_PATH, WASM_PATH, WEIGHTS_PATH } from '../../shared/inspect/drawing.ts';
import { inspectorBytes } from '../../shared/kernel/exports.ts';
import { addFiles, pageHeaders } from './files.ts';

const HOST = '127.0.0.1';
const MAX_CONNECTIONS = 64;
/** What the build made of src/draw. */
const FILES = new URL('../../draw/', import.meta.url);

export interface DrawServerOptions {
  readonly port: number;
  /** The port was asked for: where it is taken, that is an error rather than a reason to take another. */
  readonly explicit: boolean;
  readonly model: DrawingModel;
  /** [parameters] */
  readonly weights: Float32Array;
}

export interface DrawServer {
  /** Without a path. */
  readonly url: string;
  close(): Promise<void>;
}

/**
 * Serves the page that draws digits, on loopback.
 * @throws ListenError where the port can't be had
 */
export async function startDrawServer(options: DrawServerOptions): Promise<DrawServer> {
  const { port, explicit } = options;
  let app = build(options);
  try {
    await app.listen({ host: HOST, port });
  } catch (error) {
    await app.close();
    const isTaken = error instanceof Error && 'code' in error && error.code === 'EADDRINUSE';
    if (explicit || !isTaken) throw listenError(port, isTaken, error);
    app = build(options);
    await app.listen({ host: HOST, port: 0 });
  }
  return { url: `http://${HOST}:${(app.server.address() as AddressInfo).port}`, close: () => app.close() };
}

function build({ model, weights }: DrawServerOptions): FastifyInstance {
  const app = fastify({
    bodyLimit: 1024,
    requestTimeout: 10_000,
    connectionTimeout: 30_000,
    keepAliveTimeout: 5_000,
    forceCloseConnections: true,
    http: { maxHeaderSize: 8192 },
  });
  app.server.maxConnections = MAX_CONNECTIONS;
  addFiles(app, FILES, { wasm: true });
  const headers = pageHeaders();
  const wasm = Buffer.from(inspectorBytes());
  const floats = Buffer.from(littleEndianBytes(weights));
  app.get(MODEL_PATH, async (_request, reply) => reply.headers(headers).send(model));
  app.get(WASM_PATH, async (_request, reply) => reply.headers(headers).type('application/wasm').send(wasm));
  app.get(WEIGHTS_PATH, async (_request, reply) =>
    reply.headers(headers).type('application/octet-stream').send(floats),
  );
  return app;
}

function listenError(port: number, isTaken: boolean, error: unknown): ListenError {
  const why = isTaken ? 'is taken by another program' : `can't be opened (${String(error)})`;
  return new ListenError(`Port ${port} on ${HOST} ${why}. Give another by --port, or 0 for any.`, { cause: error });
}
