import type { WebServer } from '#src/coordinator/observe/web/web-server.js';
import { startDrawServer } from '#src/inspect/draw/draw-server.js';
import { layoutOf } from '#src/shared/model/layout.js';
import { lenet5 } from '#src/shared/model/lenet5.js';
import { randomWeights } from '../../support/reference/random.ts';

export const model = { name: 'made', step: 1, rbfJ: 0.1, note: 'These weights were made.' };

/** Serves random weights of a head. */
export function serve(head: 'softmax' | 'rbf', port = 0, explicit = false): Promise<WebServer> {
  const weights = randomWeights(layoutOf(lenet5(head, model.rbfJ)), 41);
  return startDrawServer({ port, explicit, model: { ...model, head }, weights });
}
