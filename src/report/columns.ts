import { confusionOf } from '../shared/evaluation.ts';
import { count } from '../shared/figures.ts';
import { type Classified, Inspector } from '../shared/inspect/inspector.ts';
import { compileInspector } from '../shared/kernel/exports.ts';
import type { Column, Mistake, ReportData, Snapshot, TestSet } from './data.ts';

/** Runs each snapshot's weights over the whole test set, and the chosen digit through all layers. */
export function columnsOf({ snapshots, runs, test, image }: ReportData): Column[] {
  const module = compileInspector();
  return snapshots.map((snapshot) => {
    const step = `step ${count(snapshot.step)}`;
    const title = runs.length === 1 ? step : `${runs[snapshot.run]?.name}, ${step}`;
    return { ...snapshot, title, ...tried(new Inspector(module, snapshot.layout), snapshot, test, image) };
  });
}

/** The bytes [height][width] of one test image. */
export function imageOf({ images, width, height }: TestSet, index: number): Uint8Array {
  return images.subarray(index * width * height, (index + 1) * width * height);
}

function tried(inspector: Inspector, { weights }: Snapshot, test: TestSet, image: number) {
  inspector.setWeights(weights);
  const classified = inspector.classify(test.images);
  const mistakes = mistakesOf(classified, test.labels);
  return {
    passage: inspector.show(imageOf(test, image)),
    classified,
    confusion: confusionOf(test.labels, classified.predictions),
    accuracy: (test.labels.length - mistakes.length) / test.labels.length,
    mistakes,
  };
}

function mistakesOf({ predictions, probabilities }: Classified, labels: Uint8Array): Mistake[] {
  const classes = probabilities.length / predictions.length;
  const mistakes: Mistake[] = [];
  for (const [index, truth] of labels.entries()) {
    const guess = predictions[index] as number;
    if (guess === truth) continue;
    mistakes.push({ index, truth, guess, confidence: probabilities[index * classes + guess] as number });
  }
  return mistakes.sort((a, b) => b.confidence - a.confidence || a.index - b.index);
}
