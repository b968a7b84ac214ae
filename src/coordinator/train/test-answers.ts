import type { Dataset, Split } from '../../shared/data/dataset.ts';
import type { Evaluation as Evaluated, EvaluatedPart } from '../../shared/engine/executor.ts';
import type { Evaluation } from '../../shared/live/step-scalars.ts';
import { headOf } from '../../shared/model/kinds.ts';
import type { ModelLayout } from '../../shared/model/layout.ts';

/** What an evaluation is held against. */
export interface TestAnswers {
  readonly samples: number;
  /** [samples]: the prediction that is right, a class, or 1 if all labels must be; undefined for regression, which has no such thing. */
  readonly right: Uint16Array | undefined;
  /** Of regression: what the sum of the losses is if each output is its mean over the test set. */
  readonly lossOfMean: number | undefined;
  /** The same of the training samples that are held back. */
  readonly validation?: TestAnswers;
}

/** What the evaluations of a run are held against. */
export function answersOf(layout: ModelLayout, { test, train, validation }: Dataset): TestAnswers {
  const answers = testAnswers(layout, test);
  if (validation === undefined) return answers;
  const targets = targetsAt(validation, train);
  return { ...answers, validation: testAnswers(layout, { targets, count: validation.length }) };
}

/** The targets of some samples. */
function targetsAt(places: Int32Array, { targets, count }: Split): Split['targets'] {
  const width = targets.length / count;
  const chosen = new (targets.constructor as new (length: number) => typeof targets)(width * places.length);
  for (const [i, place] of places.entries()) {
    chosen.set(targets.subarray(width * place, width * (place + 1)), width * i);
  }
  return chosen;
}

export function testAnswers({ spec }: ModelLayout, { targets, count }: Pick<Split, 'targets' | 'count'>): TestAnswers {
  const samples = count;
  if (!headOf(spec.head).hasAccuracy) {
    const outputs = targets.length / count;
    return { samples, right: undefined, lossOfMean: squaresAroundMean(targets, outputs) / outputs };
  }
  const right = targets instanceof Uint16Array ? targets : new Uint16Array(count).fill(1);
  return { samples, right, lossOfMean: undefined };
}

/** The figures of an evaluation, by the fields of a step's record. */
export function scoresOf(answers: TestAnswers, evaluated: Evaluated): Evaluation & { readonly testLoss: number } {
  const { accuracy, r2, loss } = figuresOf(answers, evaluated);
  const test = {
    ...(accuracy !== undefined && { testAccuracy: accuracy }),
    ...(r2 !== undefined && { testR2: r2 }),
    testLoss: loss,
  };
  if (answers.validation === undefined || evaluated.validation === undefined) return test;
  const held = figuresOf(answers.validation, evaluated.validation);
  return {
    ...test,
    ...(held.accuracy !== undefined && { validationAccuracy: held.accuracy }),
    ...(held.r2 !== undefined && { validationR2: held.r2 }),
    validationLoss: held.loss,
  };
}

function figuresOf({ samples, right, lossOfMean }: TestAnswers, { lossSum, predictions }: EvaluatedPart) {
  const hits = right && predictions.reduce((sum, guess, i) => sum + (guess === right[i] ? 1 : 0), 0);
  return {
    accuracy: hits === undefined ? undefined : hits / samples,
    r2: lossOfMean === undefined ? undefined : r2Of(lossSum, lossOfMean),
    loss: lossSum / samples,
  };
}

/** Of targets that are all the same 1 or 0, as scikit-learn has it: there is no variance to explain. */
export function r2Of(lossSum: number, lossOfMean: number): number {
  if (lossOfMean === 0) return lossSum === 0 ? 1 : 0;
  return 1 - lossSum / lossOfMean;
}

/** @param targets [samples][outputs] */
function squaresAroundMean(targets: Split['targets'], outputs: number): number {
  const means = meansOf(targets, outputs);
  let squares = 0;
  for (const [i, target] of targets.entries()) {
    const deviation = target - (means[i % outputs] as number);
    squares += deviation * deviation;
  }
  return squares;
}

/** [outputs] */
function meansOf(targets: Split['targets'], outputs: number): Float64Array {
  const sums = new Float64Array(outputs);
  for (const [i, target] of targets.entries()) sums[i % outputs] = (sums[i % outputs] as number) + target;
  return sums.map((sum) => sum / (targets.length / outputs));
}

/** Of each output, the sum of its squared differences from its mean. @param targets [samples][outputs] */
export function squaresAroundMeans(targets: Split['targets'], outputs: number): Float64Array {
  const means = meansOf(targets, outputs);
  const squares = new Float64Array(outputs);
  for (const [i, target] of targets.entries()) {
    const deviation = target - (means[i % outputs] as number);
    squares[i % outputs] = (squares[i % outputs] as number) + deviation * deviation;
  }
  return squares;
}
