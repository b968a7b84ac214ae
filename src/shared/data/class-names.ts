import { z } from 'zod';
import { printable } from '../util/printable.ts';
import { MAX_CLASSES } from './limits.ts';

/** Characters in the name of a class. */
export const MAX_CLASS_NAME = 100;

/** Names of classes or outputs, as files have them. */
export const ClassNames = z
  .array(
    z
      .string()
      .min(1)
      .max(MAX_CLASS_NAME)
      .refine((name) => name === printable(name), 'has a control character'),
  )
  .min(1)
  .max(MAX_CLASSES)
  .refine((names) => new Set(names).size === names.length, 'has a name twice');
