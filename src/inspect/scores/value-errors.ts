import { r2Of, squaresAroundMeans } from '../../coordinator/train/test-answers.ts';
import type { PartOutputs } from './part-outputs.ts';

/** Outputs of which all predictions are kept, for charts. */
const MAX_KEPT = 4;

/** How far numbers are from their targets, in the unit of these. */
export interface ValueError {
  /** Mean of the errors' magnitudes. */
  readonly mae: number;
  /** Root of the mean squared error. */
  readonly rmse: number;
  /** The share of the variance that is explained. */
  readonly r2: number;
}

/** What predictions of numbers are off by: over all outputs, and each by itself. */
export interface ValueErrors extends ValueError {
  readonly each: readonly ValueError[];
  /** Of the first outputs, as the model has them: [samples] */
  readonly predictions: readonly Float32Array[];
}

/** @param targets [samples][outputs] @param unit what an output of 1 is in the numbers' own unit, in which the errors are */
export function valueErrors(
  parts: Iterable<PartOutputs>,
  targets: Float32Array,
  outputs: number,
  unit = 1,
): ValueErrors {
  const samples = targets.length / outputs;
  const [magnitudes, squares] = [new Float64Array(outputs), new Float64Array(outputs)];
  const predictions = Array.from({ length: Math.min(outputs, MAX_KEPT) }, () => new Float32Array(samples));
  for (const { first, outputs: values } of parts) {
    for (const [i, value] of values.entries()) {
      const [sample, output] = [first + Math.floor(i / outputs), i % outputs];
      const error = value - (targets[sample * outputs + output] as number);
      magnitudes[output] = (magnitudes[output] as number) + Math.abs(error);
      squares[output] = (squares[output] as number) + error * error;
      const kept = predictions[output];
      if (kept !== undefined) kept[sample] = value;
    }
  }
  const variances = squaresAroundMeans(targets, outputs);
  const error = (magnitude: number, square: number, variance: number, count: number): ValueError => {
    return {
      mae: (unit * magnitude) / count,
      rmse: unit * Math.sqrt(square / count),
      r2: r2Of(square, variance),
    };
  };
  const sum = (values: Float64Array): number => values.reduce((total, value) => total + value, 0);
  return {
    ...error(sum(magnitudes), sum(squares), sum(variances), targets.length),
    each: Array.from(magnitudes, (magnitude, i) =>
      error(magnitude, squares[i] as number, variances[i] as number, samples),
    ),
    predictions,
  };
}
