import type { WebServer } from '#src/coordinator/observe/web/web-server.js';
import { startDrawServer } from '#src/inspect/draw/draw-server.js';
import { layoutOf } from '#src/shared/model/layout.js';
import type { ModelSpec } from '#src/shared/model/spec.js';
import { lookedAtWeights } from '../../support/inspector.ts';

/** Its training set had drawings. */
export const model = {
  name: 'made',
  step: 1,
  note: 'These weights were made.',
  preparation: { kind: 'ink' },
} as const;

/** Serves random weights of a model. */
export function serve(spec: ModelSpec, port = 0, explicit = false): Promise<WebServer> {
  const weights = lookedAtWeights(layoutOf(spec), 41);
  return startDrawServer({ port, explicit, model: { ...model, spec }, weights });
}
