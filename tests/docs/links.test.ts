// The links between the Markdown pages and into the sources.
import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, it, test } from 'node:test';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../../..', import.meta.url));
const folders = ['.', 'docs', 'docs/tutorials'];
/** The site's first page, which isn't for readers of the folder. */
const HOME = 'index.md';
const pages = folders.flatMap((folder) =>
  readdirSync(join(root, folder))
    .filter((file) => file.endsWith('.md') && file !== HOME)
    .map((file) => join(root, folder, file)),
);

/** A page without its blocks of code. */
function proseOf(page: string): string {
  return readFileSync(page, 'utf8').replace(/^```[\s\S]*?^```/gm, '');
}

/** The anchor that GitHub gives a heading. */
function anchorOf(heading: string): string {
  const text = heading.replace(/\[([^\]]*)\]\([^)]*\)/g, '$1').toLowerCase();
  return text.replace(/[^\p{L}\p{N} _-]/gu, '').replaceAll(' ', '-');
}

function anchorsOf(page: string): string[] {
  return [...proseOf(page).matchAll(/^#+ (.*)$/gm)].map(([, heading = '']) => anchorOf(heading));
}

/** Links to files and headings of this repository. */
function linksOf(page: string): string[] {
  const targets = [...proseOf(page).matchAll(/\]\(([^)\s]+)\)/g)].map(([, target = '']) => target);
  return targets.filter((target) => !/^[a-z]+:/.test(target));
}

/** What is wrong with a link; undefined if nothing is. */
function problemOf(page: string, link: string): string | undefined {
  const [path = '', anchor] = link.split('#');
  const target = path === '' ? page : join(dirname(page), path);
  if (!existsSync(target)) return `${page}: ${link} leads to no file`;
  if (anchor !== undefined && !anchorsOf(target).includes(anchor)) return `${page}: ${link} leads to no heading`;
  return undefined;
}

test("README's first steps use only files that the package has", () => {
  const readme = readFileSync(join(root, 'README.md'), 'utf8');
  const pictures = [...readme.matchAll(/-- predict (\S+)/g)].map(([, picture = '']) => picture);
  const { files } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { files: string[] };
  assert.ok(pictures.length > 0);
  for (const picture of pictures) {
    assert.ok(existsSync(join(root, picture)), picture);
    assert.ok(files.includes(dirname(picture)), picture);
  }
});

describe('the pages', () => {
  it('have links that lead somewhere', () => {
    const links = pages.flatMap((page) => linksOf(page).map((link) => [page, link] as const));
    assert.ok(links.length > 100, `${links.length} links`);
    assert.deepEqual(
      links.map(([page, link]) => problemOf(page, link)).filter((problem) => problem !== undefined),
      [],
    );
  });

  it('are all in the index', () => {
    const index = join(root, 'docs/README.md');
    const listed = linksOf(index).map((link) => join(dirname(index), link));
    const expected = pages.filter((page) => page.startsWith(dirname(index)) && page !== index);
    assert.deepEqual(
      expected.filter((page) => !listed.includes(page)),
      [],
    );
  });
});
