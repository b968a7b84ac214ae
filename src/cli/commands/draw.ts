// lockstep draw                     with the newest run's last checkpoint
// lockstep draw runs/first --port 8080
import { basename } from 'node:path';
import {
  flaggedModel,
  noteOn,
  preparationOf,
  refuseFloats,
  runOf,
  type SavedModel,
} from '../../coordinator/run/saved-model.ts';
import { startDrawServer } from '../../inspect/draw/draw-server.ts';
import type { DrawingModel } from '../../inspect/draw/drawing.ts';
import { refuseNotFinite } from '../../inspect/export/network.ts';
import { UsageError } from '../../shared/util/errors.ts';
import { shownPath } from '../../shared/util/shown-path.ts';
import { print } from '../print.ts';
import { serveUntilStopped } from '../serving.ts';
import { MAX_PORT, parsePort } from '../whole-number.ts';

const DEFAULT_PORT = 9466;

/**
 * `lockstep draw`: serves a page on which a user draws or drops pictures and sees the activations of every layer, until it is stopped.
 * @returns the exit code
 * @throws UsageError if a flag can't be used or the model was trained on floats, CheckpointError if there is no model, ListenError if the port is taken
 */
export async function draw(
  named: string | undefined,
  flags: Readonly<Record<string, string | undefined>>,
): Promise<number> {
  const { port, run, checkpoint } = flags;
  const wanted = portOf(port);
  if (named !== undefined && (run ?? checkpoint) !== undefined) {
    throw new UsageError(`Two models are named, ${named} and ${run ?? checkpoint}: expected one.`);
  }
  const model = await flaggedModel({ run, checkpoint: named ?? checkpoint }, { env: process.env, print });
  refuseFloats(model);
  refuseNotFinite(model.layout, model.weights, model.checkpoint.file);
  const options = { model: drawingModel(model), weights: model.weights };
  await serveUntilStopped(
    () => startDrawServer({ port: wanted ?? DEFAULT_PORT, explicit: wanted !== undefined, ...options }),
    (url) => `${shownPath(model.checkpoint.file)}: draw at ${url}`,
  );
  return 0;
}

function portOf(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const port = parsePort(text);
  if (port !== undefined) return port;
  throw new UsageError(`--port: expected 0 (any) to ${MAX_PORT}, but got ${text}.`);
}

export function drawingModel(model: SavedModel): DrawingModel {
  const { checkpoint, layout } = model;
  return {
    name: runOf(checkpoint) ?? basename(checkpoint.file),
    step: checkpoint.step,
    spec: layout.spec,
    classNames: checkpoint.classNames,
    preparation: preparationOf(model),
    note: noteOn(model),
  };
}
