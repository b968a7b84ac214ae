import { z } from 'zod';
import { optionNotes } from './option-notes.ts';

// What people note about a run: the options of `train` for a new one, `lockstep runs` for others, and notes.json.

const MAX_TAGS = 32;
const MAX_NOTE = 1000;

/** What a tag is, in words. */
export const TAG_TEXT = 'a word of at most 40 letters, digits and . _ : + -, which begins with a letter or a digit';
const NOTE_TEXT = `one line of at most ${MAX_NOTE} characters`;

const TAG = '[\\p{L}\\p{N}][\\p{L}\\p{N}._:+-]{0,39}';

export const Tag = z.string().regex(new RegExp(`^${TAG}$`, 'u'), `expected ${TAG_TEXT}`);
export const Tags = z
  .array(Tag)
  .max(MAX_TAGS, `expected at most ${MAX_TAGS} tags`)
  .refine((tags) => new Set(tags).size === tags.length, 'expected each tag once');
export const Note = z.string().regex(new RegExp(`^\\P{C}{1,${MAX_NOTE}}$`, 'u'), `expected ${NOTE_TEXT}`);

/** The tags of a text that has one or several with commas, each once; they may be none. */
export function splitTags(text: string): string[] {
  return [...new Set(text.split(',').map((tag) => tag.trim()))];
}

/** The options of a new run's notes. */
export const NOTE_OPTIONS = {
  tag: z
    .string()
    .regex(new RegExp(`^${TAG}(?: *, *${TAG}){0,${MAX_TAGS - 1}}$`, 'u'))
    .optional()
    .register(optionNotes, {
      group: 'output',
      help: 'tag of a new run, or several with commas; `lockstep runs` lists and changes them',
      value: 'tags',
      expected: `${TAG_TEXT}, or several with commas`,
      fallback: 'no tag',
    }),
  note: Note.optional().register(optionNotes, {
    group: 'output',
    help: 'line that notes something about a new run',
    value: 'text',
    expected: NOTE_TEXT,
    fallback: 'no note',
  }),
};
