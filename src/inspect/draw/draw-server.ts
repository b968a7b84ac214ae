import { addFiles, pageHeaders } from '../../coordinator/observe/web/files.ts';
import { guard, startWebServer, type WebServer } from '../../coordinator/observe/web/web-server.ts';
import { inspectorBytes } from '../../shared/engine/wasm/exports.ts';
import { littleEndianBytes } from '../../shared/util/safetensors.ts';
import { type DrawingModel, MODEL_PATH, WASM_PATH, WEIGHTS_PATH } from './drawing.ts';

/** What the build made of src/draw. */
const FILES = new URL('../../draw/', import.meta.url);

export interface DrawServerOptions {
  readonly port: number;
  /** The port was asked for: if it is in use, that is an error, and no other port is used. */
  readonly explicit: boolean;
  readonly model: DrawingModel;
  /** [parameters] */
  readonly weights: Float32Array;
}

/**
 * Serves the drawing page, on loopback.
 * @throws ListenError if the port can't be used
 */
export function startDrawServer({ port, explicit, model, weights }: DrawServerOptions): Promise<WebServer> {
  const headers = pageHeaders();
  const guarded = { onRequest: guard(undefined) };
  const wasm = Buffer.from(inspectorBytes());
  const floats = Buffer.from(littleEndianBytes(weights));
  const advice = 'Give another by --port, or 0 for any.';
  return startWebServer({ host: '127.0.0.1', port, explicit, advice }, (app) => {
    addFiles(app, FILES, { wasm: true, guarded });
    app.get(MODEL_PATH, guarded, async (_request, reply) =>
      reply.headers(headers).type('application/json; charset=utf-8').send(model),
    );
    app.get(WASM_PATH, guarded, async (_request, reply) => reply.headers(headers).type('application/wasm').send(wasm));
    app.get(WEIGHTS_PATH, guarded, async (_request, reply) =>
      reply.headers(headers).type('application/octet-stream').send(floats),
    );
  });
}
