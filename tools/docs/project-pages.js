// Pages of the repository's root as pages of the site, with their links led anew.
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const PAGES = [
  ['CHANGELOG.md', 'changelog.md'],
  ['CONTRIBUTING.md', 'contributing.md'],
  ['SECURITY.md', 'reporting.md'],
];

export function writeProjectPages(root, folder) {
  mkdirSync(folder, { recursive: true });
  for (const [from, to] of PAGES) {
    if (existsSync(join(root, from))) writeFileSync(join(folder, to), moved(readFileSync(join(root, from), 'utf8')));
  }
}

/** A page of the root as it reads in docs/reference. */
function moved(markdown) {
  return markdown.replaceAll(/\]\((?![a-z]+:|#)([^)\s]+)\)/g, (_, target) => {
    return `](${target.startsWith('docs/') ? target.replace('docs/', '../') : `../../${target}`})`;
  });
}
