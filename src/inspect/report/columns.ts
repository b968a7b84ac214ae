import { confusionOf } from '../../shared/engine/evaluation.ts';
import { compileInspector } from '../../shared/engine/wasm/exports.ts';
import { count } from '../../shared/util/figures.ts';
import { type Classified, Inspector } from '../activations/inspector.ts';
import { refuseOverflow } from '../activations/overflow.ts';
import type { Column, Mistake, ReportData, Snapshot, TestSet } from './data.ts';

/**
 * Runs each snapshot's weights over the whole test set, and the chosen digit through all layers.
 * @throws CheckpointError if a snapshot's weights are so large that their sums overflow
 */
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

function tried(inspector: Inspector, { weights, file }: Snapshot, test: TestSet, image: number) {
  inspector.setWeights(weights);
  const classified = inspector.classify(test.images);
  const trace = inspector.show(imageOf(test, image));
  refuseOverflow([...trace.layers.map(({ values }) => values), classified.outputs, classified.probabilities], file);
  const { classes } = inspector.layout.spec.head;
  const mistakes = mistakesOf(classified, test.labels);
  return {
    trace,
    classified,
    confusion: confusionOf(test.labels, classified.predictions, classes),
    accuracy: (test.labels.length - mistakes.length) / test.labels.length,
    mistakes,
  };
}

/** Wrong images in order of the head's outputs, since probabilities may all be 1 in float32. */
function mistakesOf({ predictions, probabilities, outputs }: Classified, labels: Uint8Array): Mistake[] {
  const classes = probabilities.length / predictions.length;
  const mistakes: Mistake[] = [];
  for (const [index, truth] of labels.entries()) {
    const guess = predictions[index] as number;
    if (guess === truth) continue;
    const [guessed, right] = [index * classes + guess, index * classes + truth];
    mistakes.push({
      index,
      truth,
      guess,
      confidence: probabilities[guessed] as number,
      outputs: [outputs[guessed] as number, outputs[right] as number],
    });
  }
  return mistakes.sort((a, b) => marginOf(b) - marginOf(a) || a.index - b.index);
}

/** How far the truth is behind the guess: logits of the guess are higher, distances lower. */
export function marginOf({ outputs: [guess, truth] }: Mistake): number {
  return Math.abs(guess - truth);
}
