import { z } from 'zod';
import type { DatasetShape } from '../data/dataset.ts';
import {
  AUGMENTATIONS,
  augmentationsText,
  augmentationText,
  augmentRefusal,
  defaultAugment,
  NO_AUGMENTATION,
  parseAugmentations,
} from '../engine/augmentations/registry.ts';
import { UsageError } from '../util/errors.ts';
import { optionNotes } from './option-notes.ts';

/** A list as a text or an array, or none; its output is the one text that stands for it, so that run.json and checkpoints have that. */
export const AUGMENT_OPTION = z
  .union([z.string(), z.array(z.string())])
  .transform((value, context): string => {
    try {
      return augmentationText(parseAugmentations(typeof value === 'string' ? value : value.join() || NO_AUGMENTATION));
    } catch (error) {
      if (!(error instanceof UsageError)) throw error;
      context.addIssue({ code: 'custom', message: error.message });
      return z.NEVER;
    }
  })
  .optional()
  .register(optionNotes, {
    group: 'data',
    help: `changes of training samples, drawn anew each time, separated by commas: ${augmentationsText()}; or ${NO_AUGMENTATION}`,
    value: 'kinds',
    expected: `${NO_AUGMENTATION}, or a list of ${AUGMENTATIONS.map(({ name }) => name).join(', ')}`,
    fallback: 'shift for grey pictures, flip and crop for colour, nothing for other samples',
    bits: true,
  });

/** A run's augmentation: the data set's default if the config has none. @throws UsageError if the data set's samples can't be augmented so */
export function augmentOf({ augment }: { readonly augment?: string | undefined }, data: DatasetShape): string {
  if (augment === undefined) return defaultAugment(data);
  const refusal = augmentRefusal(augment, data);
  if (refusal === undefined) return augment;
  throw new UsageError(
    `--augment: ${augment} can't be used, since ${refusal}. Leave it out for the default (${defaultAugment(data)}).`,
  );
}
