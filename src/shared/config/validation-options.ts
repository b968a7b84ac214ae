import { z } from 'zod';
import { KEEP_BEST_METRICS } from '../checkpoint/validation-state.ts';
import { optionNotes } from './option-notes.ts';

/** The options of samples that are held back, and of what follows from them. */
export const VALIDATION_OPTIONS = {
  validation: z.number().min(0).lt(1).default(0).register(optionNotes, {
    group: 'data',
    help: 'share of the training samples that are held back and evaluated with the test set; 0: none',
    value: 'share',
    bits: true,
  }),
  patience: z
    .int()
    .min(0)
    .max(2 ** 32 - 1)
    .default(0)
    .register(optionNotes, {
      group: 'optimisation',
      help: 'evaluations in a row without a lower validation loss after which the run ends; 0: it never ends early',
      value: 'evaluations',
      bits: true,
    }),
  keepBest: z
    .union([z.boolean(), z.enum(KEEP_BEST_METRICS)])
    .default(false)
    .register(optionNotes, {
      group: 'output',
      help: 'keep a checkpoint of the best evaluation, by the lowest validation-loss or the highest validation-accuracy or validation-r2; without a metric: by the loss',
      value: 'metric',
      mayStandAlone: true,
      fallback: "it isn't kept",
    }),
};
