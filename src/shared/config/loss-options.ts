import { z } from 'zod';
import { classesOf, type Dataset } from '../data/dataset.ts';
import { placesWithout } from '../data/validation.ts';
import { BALANCED } from '../model/registry.ts';
import type { TrainingLoss } from '../model/training-loss.ts';
import { ModelError, UsageError } from '../util/errors.ts';
import { float32 } from './float32.ts';
import { optionNotes } from './option-notes.ts';

/** More than any balanced one: a class has at most as many times the samples of another as fit in a shared memory. */
const MAX_WEIGHT = 1e10;

const Smoothing = float32(z.number().min(0).lt(1));
const Weight = float32(z.number().gt(0).max(MAX_WEIGHT));

/** `balanced`, or a list as a text or an array; its output is the one text that stands for it. */
const ClassWeights = z.union([z.string(), z.array(z.number()).min(1)]).transform((value, context): string => {
  if (value === BALANCED) return value;
  const texts = typeof value === 'string' ? value.split(',') : value.map(String);
  const wrong = texts.find((text) => text.trim() === '' || !Weight.safeParse(Number(text)).success);
  if (wrong === undefined) return texts.map(Number).join();
  context.addIssue({ code: 'custom', message: `has "${wrong.slice(0, 40)}"` });
  return z.NEVER;
});

/** The options of the training loss. Evaluations have the loss of the head alone. */
export const LOSS_OPTIONS = {
  labelSmoothing: Smoothing.default(0).register(optionNotes, {
    group: 'optimisation',
    help: 'head softmax: share of each label that the training loss spreads evenly over all classes',
    value: 'share',
    bits: true,
  }),
  classWeights: ClassWeights.optional().register(optionNotes, {
    group: 'optimisation',
    help: 'head softmax: weights of the classes in the training loss: balanced, by their counts, or a number for each',
    value: 'weights',
    expected: `${BALANCED}, or a number above 0 for each class, separated by commas`,
    fallback: 'all classes alike',
    bits: true,
  }),
};

const LossSchema = z.strictObject({ labelSmoothing: Smoothing, classWeights: z.array(Weight).optional() }).optional();

/** A training loss as coordinators send it. @throws ModelError if it is none */
export function parseLoss(json: unknown): TrainingLoss | undefined {
  const parsed = LossSchema.safeParse(json);
  if (parsed.success) return parsed.data;
  throw new ModelError(`Its training loss can't be used: ${parsed.error.issues[0]?.message}.`);
}

/**
 * A run's class weights: those of `balanced`, as scikit-learn has them, are samples / (classes x samples of the class), each rounded
 * to a float32. Samples that are held back don't count.
 * @throws UsageError if a class has no samples to be balanced by
 */
export function classWeightsOf(
  { classWeights }: { readonly classWeights?: string | undefined },
  {
    train,
    validation = new Int32Array(),
    classes,
    classNames,
  }: Pick<Dataset, 'train' | 'validation' | 'classes' | 'classNames'>,
): string | undefined {
  if (classWeights !== BALANCED) return classWeights;
  const counts = new Array<number>(classes).fill(0);
  const labels = classesOf(train);
  const trained = placesWithout(validation, train.count);
  for (const place of trained) counts[labels[place] as number] = (counts[labels[place] as number] as number) + 1;
  const lacking = counts.indexOf(0);
  if (lacking === -1) return counts.map((count) => Math.fround(trained.length / (classes * count))).join();
  throw new UsageError(
    `--class-weights: ${BALANCED} divides by the training samples of each class, but ${classNames[lacking]} has none. Give a number for each class.`,
  );
}
