import { z } from 'zod';
import { MAX_LOCAL_STEPS } from '../engine/round-figures.ts';
import { optionNotes } from './option-notes.ts';

/** Far beyond any use; more replicas than shards are refused in any case. */
const MAX_REPLICAS = 256;

/** The options by which a job is cut into replicas that take local steps (docs/training.md). */
export const ROUND_OPTIONS = {
  replicas: z
    .int()
    .min(1)
    .max(MAX_REPLICAS)
    .refine((count) => Number.isInteger(Math.log2(count)), 'expected a power of two')
    .default(1)
    .register(optionNotes, {
      group: 'optimisation',
      help: 'parts of the job that take local steps by themselves, then are averaged; the batch is that of all of them; a power of two',
      value: 'count',
      bits: true,
    }),
  syncEvery: z.int().min(1).max(MAX_LOCAL_STEPS).default(1).register(optionNotes, {
    group: 'optimisation',
    help: 'local steps of a replica between two averages; what falls due in between is done at the average',
    value: 'steps',
    bits: true,
  }),
};
