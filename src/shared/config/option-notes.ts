import { z } from 'zod';

/** The groups of options in help, in order. */
export const OPTION_GROUPS = ['data', 'model', 'optimisation', 'execution', 'cluster', 'output', 'monitoring'] as const;

export type OptionGroup = (typeof OPTION_GROUPS)[number];

/** What an option's help shows and what a resumed run must keep. */
export interface OptionNotes {
  readonly group: OptionGroup;
  readonly help: string;
  /** The value's unit, for help; absent for a switch, and for a choice whose values are short. */
  readonly value?: string;
  /** The flag may stand alone, as a switch. */
  readonly mayStandAlone?: true;
  /** The values that it takes, if its schema doesn't say it well. */
  readonly expected?: string;
  /** The default in words, if it depends on other options or on the machine. */
  readonly fallback?: string;
  /** The option decides the bits of the weights or of the hash chain. */
  readonly bits?: true;
}

/** Holds the notes of each option of `trainSchema`. */
export const optionNotes = z.registry<OptionNotes>();
