// The Markdown pages of this repository and the blocks of code in them.
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const ROOT = fileURLToPath(new URL('../../..', import.meta.url));

const FOLDERS = ['.', 'docs', 'docs/tutorials', 'examples'];

/** A block of code between ``` and ```. */
export interface Block {
  /** Its page and line, for messages. */
  readonly place: string;
  readonly language: string;
  readonly code: string;
}

export function blocks(languages: readonly string[]): Block[] {
  return FOLDERS.flatMap((folder) => {
    const names = readdirSync(join(ROOT, folder)).filter((file) => file.endsWith('.md') && file !== 'CHANGELOG.md');
    return names.flatMap((name) => blocksOf(join(folder, name)));
  }).filter(({ language }) => languages.includes(language));
}

function blocksOf(page: string): Block[] {
  const markdown = readFileSync(join(ROOT, page), 'utf8');
  return [...fencedBlocks(page, markdown), ...indentedBlocks(page, markdown)];
}

/** Blocks that four spaces make, behind an empty line; they have no language. */
function indentedBlocks(page: string, markdown: string): Block[] {
  return [...markdown.matchAll(/(?<=\n\n)(?: {4}[^\n]*\n)+/g)].map(({ 0: block, index }) => {
    const line = markdown.slice(0, index).split('\n').length;
    return { place: `${page}:${line}`, language: '', code: block.replaceAll(/^ {4}/gm, '') };
  });
}

function fencedBlocks(page: string, markdown: string): Block[] {
  return [...markdown.matchAll(/^( *)```(\w*)[^\n]*\n([\s\S]*?)^ *```$/gm)].map((match) => {
    const [, indent = '', language = '', code = ''] = match;
    const line = markdown.slice(0, match.index).split('\n').length;
    return { place: `${page}:${line}`, language, code: code.replaceAll(new RegExp(`^${indent}`, 'gm'), '') };
  });
}
