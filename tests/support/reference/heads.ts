import { argmax, at } from './arrays.ts';
import type { HeadSpec, TrainingLoss } from './spec.ts';

/** A sample's target: [class] for softmax and rbf, [outputs] for sigmoid (0 or 1 each) and mse. */
export type Target = ArrayLike<number>;

export interface HeadLoss {
  readonly loss: number;
  /** The loss differentiated by the last layer's values. */
  readonly delta: Float64Array;
  /** Per class, what the sample's class is chosen by: the highest wins, the first among equals. Empty if there are no classes. */
  readonly scores: Float64Array;
  /** Whether the class, or every label, is right; regression has no such thing. */
  readonly correct: boolean;
}

/** A sample's loss from the last layer's values. @param training in place of a softmax head's own */
export function headLoss(
  head: HeadSpec,
  values: Float64Array,
  target: Target,
  training: TrainingLoss | undefined = undefined,
): HeadLoss {
  switch (head.kind) {
    case 'softmax':
      return training ? trainingLoss(training, values, at(target, 0)) : softmaxLoss(head, values, at(target, 0));
    case 'rbf':
      return mapLoss(head, values, at(target, 0));
    case 'sigmoid':
      return labelsLoss(values, target);
    case 'mse':
      return squaredLoss(values, target);
  }
}

/** e^a_i over their sum, shifted by the highest, so that none overflows. */
export function softmax(scores: Float64Array): Float64Array {
  const sum = logSumExp(scores);
  return scores.map((score) => Math.exp(score - sum));
}

function logSumExp(scores: Float64Array): number {
  const most = at(scores, argmax(scores));
  return most + Math.log(scores.reduce((sum, score) => sum + Math.exp(score - most), 0));
}

/**
 * Cross-entropy with the target t: E = w (log(sum_i e^a_i) - sum_i t_i a_i), where w is the class's weight, and smoothing
 * by e takes t from one at the class to (1 - e) there and e / classes everywhere.
 */
function softmaxLoss(
  { labelSmoothing = 0, classWeights }: HeadSpec & { kind: 'softmax' },
  logits: Float64Array,
  label: number,
): HeadLoss {
  const weight = classWeights ? at(classWeights, label) : 1;
  const t = logits.map((_, i) => (i === label ? 1 - labelSmoothing : 0) + labelSmoothing / logits.length);
  const aim = logits.reduce((sum, a, i) => sum + at(t, i) * a, 0);
  return {
    loss: weight * (logSumExp(logits) - aim),
    delta: softmax(logits).map((p, i) => weight * (p - at(t, i))),
    scores: logits,
    correct: argmax(logits) === label,
  };
}

/** (1 - e) w_c l_c + e / classes * sum_i w_i l_i, where c is the label, l_i = -log p_i, w the weights and e the smoothing. */
function trainingLoss({ labelSmoothing: e, classWeights }: TrainingLoss, logits: Float64Array, c: number): HeadLoss {
  const all = logSumExp(logits);
  const weight = (i: number) => (classWeights ? at(classWeights, i) : 1);
  const factor = (i: number) => weight(i) * ((i === c ? 1 - e : 0) + e / logits.length);
  const factors = logits.reduce((sum, _, i) => sum + factor(i), 0);
  return {
    loss: logits.reduce((sum, a, i) => sum + factor(i) * (all - a), 0),
    delta: softmax(logits).map((p, i) => factors * p - factor(i)),
    scores: logits,
    correct: argmax(logits) === c,
  };
}

/** LeCun et al. 1998, equation 9: E = y_D + log(e^-j + sum_i e^-y_i) with y_i = sum_k (x_k - w_ik)^2. */
function mapLoss({ targets, j }: HeadSpec & { kind: 'rbf' }, x: Float64Array, label: number): HeadLoss {
  const distances = Float64Array.from(targets, (w) => x.reduce((sum, value, k) => sum + (value - at(w, k)) ** 2, 0));
  const scores = distances.map((y) => -y);
  const sum = logSumExp(Float64Array.of(...scores, -j));
  const distanceDelta = scores.map((score, i) => (i === label ? 1 : 0) - Math.exp(score - sum));
  const delta = x.map((value, k) =>
    targets.reduce((total, w, i) => total + 2 * (value - at(w, k)) * at(distanceDelta, i), 0),
  );
  return { loss: at(distances, label) + sum, delta, scores, correct: argmax(scores) === label };
}

/** The mean over outputs of the binary cross-entropy log(1 + e^z) - t z. */
function labelsLoss(z: Float64Array, t: Target): HeadLoss {
  const losses = z.map((a, i) => Math.max(a, 0) + Math.log1p(Math.exp(-Math.abs(a))) - at(t, i) * a);
  return {
    loss: losses.reduce((sum, loss) => sum + loss, 0) / z.length,
    delta: z.map((a, i) => (1 / (1 + Math.exp(-a)) - at(t, i)) / z.length),
    scores: new Float64Array(),
    correct: z.every((a, i) => a > 0 === at(t, i) > 0.5),
  };
}

/** The mean over outputs of (z - t)^2. */
function squaredLoss(z: Float64Array, t: Target): HeadLoss {
  return {
    loss: z.reduce((sum, a, i) => sum + (a - at(t, i)) ** 2, 0) / z.length,
    delta: z.map((a, i) => (2 * (a - at(t, i))) / z.length),
    scores: new Float64Array(),
    correct: false,
  };
}
