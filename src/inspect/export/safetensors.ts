import { tensorsOf } from '../../shared/checkpoint/checkpoint.ts';
import { encodeSafetensors } from '../../shared/util/safetensors.ts';
import type { Network } from './network.ts';

/**
 * The weights alone, by the network's own tensor names. The metadata's `spec` has the rest of the network, as JSON: layers,
 * connection table, the RBF head's targets.
 */
export function encodeWeights({ layout, weights, metadata }: Network): Uint8Array {
  return encodeSafetensors(tensorsOf(layout, '', weights), metadata);
}
