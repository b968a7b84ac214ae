// The part of `lockstep runs` that changes what people note about runs.
import { stat } from 'node:fs/promises';
import { manifestFile } from '../../coordinator/run/files.ts';
import { type Notes, problemOf, readNotes, writeNotes } from '../../coordinator/run/notes.ts';
import { splitTags, TAG_TEXT, Tag } from '../../shared/config/note-options.ts';
import { commandLine } from '../../shared/util/command-line.ts';
import { UsageError } from '../../shared/util/errors.ts';
import { shownPath } from '../../shared/util/shown-path.ts';
import { runsBelow } from '../run-names.ts';

/** Flags of `lockstep runs`, each with a word (tags, or a text) and then the runs that it is for. */
export interface NoteFlags {
  readonly tag?: readonly string[] | undefined;
  readonly untag?: readonly string[] | undefined;
  readonly note?: readonly string[] | undefined;
}

type Change = (notes: Notes) => Notes;

/** The flags in the order in which they take effect. */
const FLAGS = {
  untag: { word: 'TAG', change: (word, flag) => withoutTags(tagsIn(word, flag)) },
  tag: { word: 'TAG', change: (word, flag) => withTags(tagsIn(word, flag)) },
  note: {
    word: 'TEXT',
    change:
      (word) =>
      ({ tags }) => ({ tags, note: word === '' ? undefined : word }),
  },
} satisfies Record<keyof NoteFlags, { word: string; change: (word: string, flag: string) => Change }>;

/**
 * Changes the tags and notes of runs below a folder: of all that are named, or of none if one can't be changed.
 * @throws UsageError for a name that is no run's, or a tag or note that can't be one, RunDirectoryError if a file can't be read or written
 */
export async function changeNotes(flags: NoteFlags, folder: string): Promise<void> {
  const changed = new Map<string, Notes>();
  for (const key of Object.keys(FLAGS) as (keyof NoteFlags)[]) {
    const words = flags[key];
    if (words === undefined) continue;
    const [flag, { word, change }] = [`--${key}`, FLAGS[key]];
    const [text = '', ...names] = words;
    if (names.length === 0) throw new UsageError(lackOfRuns(flag, word, text));
    const apply = change(text, flag);
    for (const run of await runsBelow(folder, names, { flag, usage: `${flag} ${word} NAME`, done: 'changed' })) {
      await refuseOtherThanRun(run, flag);
      const notes = apply(changed.get(run) ?? (await readNotes(run)));
      const problem = problemOf(notes);
      if (problem !== undefined) throw new UsageError(`${flag}, ${shownPath(run)}: ${problem}. Nothing was changed.`);
      changed.set(run, notes);
    }
  }
  for (const [run, notes] of changed) await writeNotes(run, notes);
}

/** The tags of a flag's word, which has one or several with commas. @throws UsageError if one can't be a tag */
export function tagsIn(word: string, flag: string): string[] {
  const tags = splitTags(word);
  const wrong = tags.find((tag) => !Tag.safeParse(tag).success);
  if (wrong === undefined) return tags;
  throw new UsageError(`${flag}: expected ${TAG_TEXT}, or several with commas, but got ${JSON.stringify(wrong)}.`);
}

function withTags(more: readonly string[]): Change {
  return ({ tags, ...rest }) => ({ ...rest, tags: [...new Set([...tags, ...more])] });
}

function withoutTags(less: readonly string[]): Change {
  return ({ tags, ...rest }) => ({ ...rest, tags: tags.filter((tag) => !less.includes(tag)) });
}

function lackOfRuns(flag: string, word: string, text: string): string {
  const advice =
    flag === '--tag' ? ` To list the runs that have a tag: \`${commandLine('runs --tagged TAG', process.env)}\`.` : '';
  return `${flag}: expected ${word === 'TAG' ? 'a tag' : 'a text'} and then runs, but got only ${JSON.stringify(text)}. Name them behind it.${advice}`;
}

async function refuseOtherThanRun(path: string, flag: string): Promise<void> {
  const found = await stat(manifestFile(path)).catch(() => undefined);
  if (found?.isFile()) return;
  throw new UsageError(
    `${flag}: there is no run ${shownPath(path)}. \`${commandLine('runs', process.env)}\` lists the existing ones. Nothing was changed.`,
  );
}
