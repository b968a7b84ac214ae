import { mkdir, readdir, rm, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { replaceFile } from '../../shared/util/replace-file.ts';

/** Data sets that are kept on disk. */
const MAX_KEPT = 2;

/** Keeps a data set, and of those kept before only the newest. */
export async function keep(file: string, bytes: Uint8Array): Promise<void> {
  const folder = dirname(file);
  await mkdir(folder, { recursive: true });
  await replaceFile(file, bytes);
  const others = (await readdir(folder)).map((name) => join(folder, name)).filter((each) => each !== file);
  const dated = await Promise.all(others.map(async (each) => ({ each, time: (await stat(each)).mtimeMs })));
  const surplus = dated.sort((a, b) => b.time - a.time).slice(MAX_KEPT - 1);
  await Promise.all(surplus.map(({ each }) => rm(each, { force: true, recursive: true })));
}
