import { vectorsOf } from '../../shared/engine/state.ts';
import { headOf } from '../../shared/model/kinds.ts';
import { littleEndianView } from '../../shared/util/safetensors.ts';
import { bytesOf } from '../../shared/wire/floats.ts';
import type { CoordinatorMessage, NodeMessage } from '../../shared/wire/messages.ts';
import { ProtocolError } from '../../shared/wire/protocol-error.ts';
import type { Compute } from './compute.ts';

const NO_PREDICTIONS = new Uint8Array();

/** Computes the partial gradients that the work asks for. @throws ProtocolError if it names other weights than were sent */
export async function partialsOf(
  compute: Compute,
  { step, version, ranges }: CoordinatorMessage<'work'>,
): Promise<NodeMessage<'partials'>> {
  const start = performance.now();
  expectVersion(compute, version, 'work');
  const partials = await compute.gradient(step, ranges);
  const { sample: sampleSeconds, reduce: reduceSeconds } = compute.phases;
  return {
    type: 'partials',
    step,
    seconds: (performance.now() - start) / 1000,
    sampleSeconds,
    reduceSeconds,
    ranges: partials.map(({ range, lossSum, correct }) => ({ ...range, lossSum, correct })),
    body: bytesOf(...partials.map(({ gradient }) => gradient)),
  };
}

/** Takes the local steps that are asked for. @throws ProtocolError if other weights are named than were sent */
export async function statesOf(
  compute: Compute,
  { step, steps, version, ranges }: CoordinatorMessage<'round'>,
): Promise<NodeMessage<'states'>> {
  const start = performance.now();
  expectVersion(compute, version, 'a round');
  const states = await compute.states(step, steps, ranges);
  const { sample: sampleSeconds, reduce: reduceSeconds, update: updateSeconds } = compute.stateSeconds;
  return {
    type: 'states',
    step,
    steps,
    seconds: (performance.now() - start) / 1000,
    sampleSeconds,
    reduceSeconds,
    updateSeconds,
    ranges: states.map(({ range, figures }) => ({ ...range, figures: Array.from(figures.words) })),
    body: bytesOf(...states.flatMap(({ state }) => vectorsOf(state))),
  };
}

/** Computes the losses and predictions that are asked for. @throws ProtocolError if other weights are named than were sent */
export async function evaluatedOf(
  compute: Compute,
  { id, version, chunks }: CoordinatorMessage<'evaluate'>,
): Promise<NodeMessage<'evaluated'>> {
  const start = performance.now();
  expectVersion(compute, version, 'an evaluation');
  const results = await compute.evaluate([chunks]);
  const isPredicted = headOf(compute.layout.spec.head).hasAccuracy;
  return {
    type: 'evaluated',
    id,
    seconds: (performance.now() - start) / 1000,
    chunks,
    losses: results.flatMap(({ losses }) => Array.from(losses)),
    isPredicted,
    body: isPredicted ? Buffer.concat(results.map(({ predictions }) => littleEndianView(predictions))) : NO_PREDICTIONS,
  };
}

function expectVersion({ age }: Compute, version: number, what: string): void {
  if (age === version) return;
  throw new ProtocolError(`The coordinator sent ${what} with version ${version} of the weights, but didn't send it.`, {
    closeCode: 'unexpected',
  });
}
