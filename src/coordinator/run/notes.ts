import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import type { TrainConfig } from '../../shared/config/config.ts';
import { Note, splitTags, Tags } from '../../shared/config/note-options.ts';
import { RunDirectoryError } from '../../shared/util/errors.ts';
import { parseJson } from '../../shared/util/json.ts';
import { readPlainFile } from '../../shared/util/plain-file.ts';
import { replaceFile } from '../../shared/util/replace-file.ts';
import { NOTES } from './files.ts';
import { writeFailure } from './step-file.ts';

/** Far more than the longest notes have. */
const MAX_BYTES = 1 << 16;

const NotesSchema = z.strictObject({ tags: Tags, note: Note.optional() });

/** What people note about a run: notes.json of its directory. */
export interface Notes {
  readonly tags: readonly string[];
  readonly note?: string | undefined;
}

/** Notes as a list of runs has them. */
export interface ListedNotes extends Notes {
  /** Why they can't be read. */
  readonly notesProblem?: string;
}

/** @returns what is wrong with notes; undefined: nothing */
export function problemOf(notes: Notes): string | undefined {
  return NotesSchema.safeParse(notes).error?.issues[0]?.message;
}

/** The notes of a run, which has none without the file. @throws RunDirectoryError if they can't be read */
export async function readNotes(run: string): Promise<Notes> {
  const file = join(run, NOTES);
  try {
    const json = parseJson(String(await readPlainFile(file, MAX_BYTES)));
    const { data, error } = NotesSchema.safeParse(json);
    if (data !== undefined) return data;
    throw new Error([...(error.issues[0]?.path ?? []), error.issues[0]?.message].join(': '));
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT') return { tags: [] };
    throw new RunDirectoryError(`${file} can't be read: ${message}. Correct it, or remove it.`, { cause: error });
  }
}

/** The same for a list, which a file that can't be read doesn't end. */
export async function listedNotes(run: string): Promise<ListedNotes> {
  return readNotes(run).catch(({ message }: Error) => ({ tags: [], notesProblem: message }));
}

/** Replaces the notes of a run, or removes the file if there are none. @throws RunDirectoryError if that fails */
export async function writeNotes(run: string, { tags, note }: Notes): Promise<void> {
  const file = join(run, NOTES);
  try {
    if (tags.length === 0 && note === undefined) await rm(file, { force: true });
    else await replaceFile(file, Buffer.from(`${JSON.stringify({ tags, note }, undefined, 2)}\n`));
  } catch (error) {
    throw writeFailure(file, error as Error);
  }
}

/** Writes the notes that a new run is given. @throws RunDirectoryError if that fails */
export async function startNotes(run: string, { tag, note }: Pick<TrainConfig, 'tag' | 'note'>): Promise<void> {
  if ((tag ?? note) !== undefined) await writeNotes(run, { tags: tag === undefined ? [] : splitTags(tag), note });
}
