import type { HeadSpec } from '#src/shared/model/spec.js';
import { argmax, at } from './arrays.ts';

export interface HeadLoss {
  readonly loss: number;
  /** The loss differentiated by the head's values, [classes]. */
  readonly delta: Float64Array;
  /** The class of the highest logit or the lowest distance, the first among equals. */
  readonly prediction: number;
}

/** A sample's loss from its logits or RBF distances, [classes]. */
export function headLoss(head: HeadSpec, values: Float64Array, label: number): HeadLoss {
  return head.kind === 'softmax' ? softmaxLoss(values, label) : mapLoss(values, label, head.j);
}

/** e^a_i over their sum, shifted by the highest, so that none overflows. */
export function softmax(scores: Float64Array): Float64Array {
  const most = at(scores, argmax(scores));
  const powers = scores.map((score) => Math.exp(score - most));
  const sum = powers.reduce((total, power) => total + power, 0);
  return powers.map((power) => power / sum);
}

/** Cross-entropy: E = log(sum_i e^a_i) - a_D. */
function softmaxLoss(logits: Float64Array, label: number): HeadLoss {
  const prediction = argmax(logits);
  const shift = at(logits, prediction);
  const powers = logits.map((a) => Math.exp(a - shift));
  const sum = powers.reduce((total, power) => total + power, 0);
  return {
    loss: shift + Math.log(sum) - at(logits, label),
    delta: powers.map((power, i) => power / sum - (i === label ? 1 : 0)),
    prediction,
  };
}

/** LeCun et al. 1998, equation 9: E = y_D + log(e^-j + sum_i e^-y_i). */
function mapLoss(distances: Float64Array, label: number, j: number): HeadLoss {
  const prediction = argmax(distances.map((y) => -y));
  const shift = Math.max(-j, -at(distances, prediction));
  const powers = distances.map((y) => Math.exp(-y - shift));
  const sum = powers.reduce((total, power) => total + power, Math.exp(-j - shift));
  return {
    loss: at(distances, label) + shift + Math.log(sum),
    delta: powers.map((power, i) => (i === label ? 1 : 0) - power / sum),
    prediction,
  };
}
