import { z } from 'zod';
import { RESIZES } from '../data/preparation.ts';
import { sourcesText } from '../data/registry.ts';
import { DEFAULT_TEST_SPLIT } from '../data/source.ts';
import { optionNotes } from './option-notes.ts';

/** The options that decide the data set. Its digest says all that reaches the bits. */
export const DATA_OPTIONS = {
  data: z.string().min(1).optional().register(optionNotes, {
    group: 'data',
    help: sourcesText(),
    value: 'name|path',
    fallback: "$MNIST_DIR, then the user's cache",
  }),
  testSplit: z
    .number()
    .gt(0)
    .lt(1)
    .optional()
    .register(optionNotes, {
      group: 'data',
      help: 'share of the samples that test, for a folder of pictures or a table without a part for that',
      value: 'share',
      fallback: String(DEFAULT_TEST_SPLIT),
    }),
  target: z.string().min(1).max(200).optional().register(optionNotes, {
    group: 'data',
    help: 'column of a table that the model is to tell',
    value: 'column',
    fallback: 'to be given for a table',
  }),
  resize: z.enum(RESIZES).optional().register(optionNotes, {
    group: 'data',
    help: "how pictures of other sizes become the model's input: whole, with borders; filled, with the edges cut off; or distorted",
    fallback: 'cover',
  }),
};
