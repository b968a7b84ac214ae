import { z } from 'zod';
import { layoutOf } from '../model/layout.ts';
import { parseModel } from '../model/parse.ts';
import { DEFAULT_MODEL, PRESETS } from '../model/registry.ts';
import type { ModelSpec } from '../model/spec.ts';
import { ModelError } from '../util/errors.ts';
import { float32 } from './float32.ts';
import { optionNotes } from './option-notes.ts';

/** A preset's name, a file, or a spec as run.json has it. */
const ModelSchema = z.unknown().transform((value, context): string | ModelSpec => {
  if (typeof value === 'string' && value !== '') return value;
  try {
    const spec = parseModel(value, undefined, 'model');
    layoutOf(spec);
    return spec;
  } catch (error) {
    if (!(error instanceof ModelError)) throw error;
    context.addIssue({ code: 'custom', message: `is no model: ${error.message}` });
    return z.NEVER;
  }
});

/** The options that decide the network. */
export const MODEL_OPTIONS = {
  model: ModelSchema.optional().register(optionNotes, {
    group: 'model',
    help: `network: ${PRESETS.map(({ name }) => name).join(', ')}, or a file with a spec, or of Keras, TensorFlow.js or ONNX`,
    value: 'name|file',
    fallback: `${DEFAULT_MODEL} where it fits, else resnet8 for pictures, mlp for tables`,
    bits: true,
  }),
  head: z.enum(['softmax', 'rbf', 'mse']).default('softmax').register(optionNotes, {
    group: 'model',
    help: "a preset's output layer: softmax for classes, mse for numbers of a table, or lenet5's of 1998, distances to bitmaps",
    bits: true,
  }),
  rbfJ: float32(z.number().min(0).max(1000)).default(0.1).register(optionNotes, {
    group: 'model',
    help: 'rbf: the constant j of its loss, which limits the effect of distant classes',
    value: 'number',
    bits: true,
  }),
  freeze: z.string().min(1).max(100_000).optional().register(optionNotes, {
    group: 'model',
    help: 'layers whose weights stay as they are, separated by commas',
    value: 'layers',
    fallback: 'all are trained',
    bits: true,
  }),
};
