import { compileInspector } from '../../shared/engine/wasm/exports.ts';
import { headOf } from '../../shared/model/kinds.ts';
import { sameShape, shapeSize, shapeText } from '../../shared/model/shape.ts';
import { UsageError } from '../../shared/util/errors.ts';
import { count } from '../../shared/util/figures.ts';
import { Inspector } from '../activations/inspector.ts';
import { refuseOverflow } from '../activations/overflow.ts';
import { classScores, confusedPairs, labelScores } from '../scores/class-scores.ts';
import { classifiedParts, type Part } from '../scores/parts.ts';
import { valueErrors } from '../scores/value-errors.ts';
import type { Column, Mistake, ReportData, Snapshot, TestSet } from './data.ts';
import { sampleOf } from './test-set.ts';

/** Samples that are shown by themselves, at most. */
export const FIRSTS = 20;

/**
 * Runs each snapshot's weights over the whole test set, and the chosen sample through all layers.
 * @throws CheckpointError if a snapshot's weights are so large that their sums overflow, UsageError if the test set isn't for its
 * model
 */
export function columnsOf({ snapshots, runs, test, image }: ReportData): Column[] {
  const module = compileInspector();
  return snapshots.map((snapshot) => {
    const step = `step ${count(snapshot.step)}`;
    const title = runs.length === 1 ? step : `${runs[snapshot.run]?.name}, ${step}`;
    checkFits(snapshot, test);
    const inputs = test.inputs instanceof Uint8Array ? 'uint8' : 'float32';
    const inspector = new Inspector(module, snapshot.layout, { inputs });
    return { ...snapshot, title, ...tried(inspector, snapshot, test, image) };
  });
}

function checkFits({ layout, file }: Snapshot, { name, shape, classNames, targets }: TestSet): void {
  const kind = targets instanceof Uint16Array ? 'class' : 'numbers';
  const isFit = sameShape(layout.input, shape) && layout.classes === classNames.length;
  if (isFit && headOf(layout.spec.head).targetKind === kind) return;
  const model = `samples of ${shapeText(layout.input)} and ${layout.classes} outputs`;
  throw new UsageError(
    `${file} has a model for ${model}, but the test set ${name} has ${shapeText(shape)} and ${classNames.length}. ` +
      'Report on runs that were trained on one data set.',
  );
}

function tried(inspector: Inspector, { weights, file }: Snapshot, test: TestSet, image: number) {
  inspector.setWeights(weights);
  const trace = inspector.show(sampleOf(test, image));
  refuseOverflow(
    trace.layers.map(({ values }) => values),
    file,
  );
  const results = resultsOf(inspector, finiteParts(inspector, test, file), test);
  const firsts = inspector.classify(test.inputs.subarray(0, FIRSTS * shapeSize(test.shape)));
  return { trace, firsts, shown: inspector.shown, ...results };
}

function* finiteParts(inspector: Inspector, { inputs }: TestSet, file: string): Generator<Part> {
  for (const part of classifiedParts(inspector, inputs)) {
    refuseOverflow([part.outputs, part.probabilities], file);
    yield part;
  }
}

type OfTestSet = Pick<Column, 'results' | 'predictions'>;

function resultsOf({ reading, layout }: Inspector, parts: Iterable<Part>, { targets, scaling }: TestSet): OfTestSet {
  if (targets instanceof Uint16Array) return classResults(parts, targets, layout.classes);
  const predictions = new Uint16Array();
  if (reading === 'labels')
    return { predictions, results: { reading, ...labelScores(parts, targets, layout.classes) } };
  return {
    predictions,
    results: { reading: 'values', errors: valueErrors(parts, targets, layout.classes, scaling?.deviation) },
  };
}

function classResults(parts: Iterable<Part>, targets: Uint16Array, classes: number): OfTestSet {
  const predictions = new Uint16Array(targets.length);
  const mistakes: Mistake[] = [];
  for (const part of parts) {
    predictions.set(part.predictions, part.first);
    mistakes.push(...mistakesOf(part, targets));
  }
  mistakes.sort((a, b) => marginOf(b) - marginOf(a) || a.index - b.index);
  const results = {
    reading: 'class' as const,
    accuracy: (targets.length - mistakes.length) / targets.length,
    scores: classScores(targets, predictions, classes),
    pairs: confusedPairs(targets, predictions, classes),
    mistakes,
  };
  return { predictions, results };
}

function mistakesOf({ first, predictions, probabilities, outputs }: Part, targets: Uint16Array): Mistake[] {
  const classes = probabilities.length / predictions.length;
  const mistakes: Mistake[] = [];
  for (const [sample, guess] of predictions.entries()) {
    const truth = targets[first + sample] as number;
    if (guess === truth) continue;
    const [guessed, right] = [sample * classes + guess, sample * classes + truth];
    mistakes.push({
      index: first + sample,
      truth,
      guess,
      confidence: probabilities[guessed] as number,
      outputs: [outputs[guessed] as number, outputs[right] as number],
    });
  }
  return mistakes;
}

/** How far the truth is behind the guess: logits of the guess are higher, distances lower. */
export function marginOf({ outputs: [guess, truth] }: Mistake): number {
  return Math.abs(guess - truth);
}
