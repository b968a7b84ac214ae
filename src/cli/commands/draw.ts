// lockstep draw                     with the newest run's last checkpoint
// lockstep draw --run runs/first --port 8080
import { basename } from 'node:path';
import { flaggedModel, noteOn, runOf, type SavedModel, trainedOn } from '../../coordinator/run/saved-model.ts';
import { startDrawServer } from '../../inspect/draw/draw-server.ts';
import type { DrawingModel } from '../../inspect/draw/drawing.ts';
import { refuseNotFinite } from '../../inspect/export/network.ts';
import { UsageError } from '../../shared/util/errors.ts';
import { shownPath } from '../../shared/util/shown-path.ts';
import { print } from '../print.ts';
import { serveUntilStopped } from '../serving.ts';

const DEFAULT_PORT = 9466;
const MAX_PORT = 65_535;

/**
 * `lockstep draw`: serves a page on which a user draws digits and sees the activations of every layer, until it is stopped.
 * @returns the exit code
 * @throws UsageError if a flag can't be used, CheckpointError if there is no model, ListenError if the port is taken
 */
export async function draw(flags: Readonly<Record<string, string | undefined>>): Promise<number> {
  const { port, ...named } = flags;
  const wanted = portOf(port);
  const model = await flaggedModel(named, { env: process.env, print });
  refuseNotFinite(model.layout, model.weights, model.checkpoint.file);
  const options = { model: drawingModel(model), weights: model.weights };
  await serveUntilStopped(
    () => startDrawServer({ port: wanted ?? DEFAULT_PORT, explicit: wanted !== undefined, ...options }),
    (url) => `${shownPath(model.checkpoint.file)}: draw digits at ${url}`,
  );
  return 0;
}

function portOf(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const port = Number(text);
  if (/^\d+$/.test(text) && port <= MAX_PORT) return port;
  throw new UsageError(`--port: expected 0 (any) to ${MAX_PORT}, but got ${text}.`);
}

export function drawingModel({ checkpoint, layout }: SavedModel): DrawingModel {
  const { head } = layout.spec;
  return {
    name: runOf(checkpoint) ?? basename(checkpoint.file),
    step: checkpoint.step,
    head: head.kind,
    rbfJ: head.kind === 'rbf' ? head.j : 0,
    note: noteOn(trainedOn(checkpoint.digests)),
  };
}
