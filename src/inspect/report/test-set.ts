import type { Inputs } from '../../shared/data/dataset.ts';
import { isVector, shapeSize } from '../../shared/model/shape.ts';
import { count } from '../../shared/util/figures.ts';
import type { TestSet } from './data.ts';
import { figure } from './text.ts';

/** Numbers of a sample that are named in a line. */
const MAX_NUMBERS = 6;

/** The values [maps][height][width] of one test sample. */
export function sampleOf({ inputs, shape }: TestSet, index: number): Inputs {
  const size = shapeSize(shape);
  return inputs.subarray(index * size, (index + 1) * size);
}

/** What people call the samples of a set: images, unless they are vectors. */
export function sampleNoun({ shape }: TestSet): 'image' | 'sample' {
  return isVector(shape) ? 'sample' : 'image';
}

/** Such as `Test image 5: 7`: its class, its labels or its numbers. */
export function sampleText(test: TestSet, index: number): string {
  return `Test ${sampleNoun(test)} ${count(index)}: ${truthText(test, index)}`;
}

/** A class's name with its number, by which a picture of many classes shows it. */
export function numberedName(classNames: readonly string[], k: number): string {
  const name = classNames[k] as string;
  return name === String(k) ? name : `${k} ${name}`;
}

/** A number that a model is to tell, in its own unit: outputs may be standardised. */
export function numberText({ scaling }: TestSet, value: number): string {
  return scaling === undefined ? figure(value) : figure(value * scaling.deviation + scaling.mean, 4);
}

/** What is true of a sample, for people. */
export function truthText(test: TestSet, index: number): string {
  const { targets, classNames } = test;
  const names = classNames.length;
  if (targets instanceof Uint16Array) return classNames[targets[index] as number] as string;
  const numbers = [...targets.subarray(index * names, (index + 1) * names)];
  // Those of one sample may be so by chance.
  const areLabels = targets.every((number) => number === 0 || number === 1);
  if (!areLabels)
    return numbers
      .slice(0, MAX_NUMBERS)
      .map((number) => numberText(test, number))
      .join(', ');
  const there = classNames.filter((_, label) => numbers[label] === 1);
  return there.length === 0 ? 'no label' : there.join(', ');
}
