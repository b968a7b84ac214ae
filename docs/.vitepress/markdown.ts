// How the site reads Markdown: headings have the anchors that GitHub gives them, and links out of docs/ lead to the repository.
import { existsSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import type { MarkdownRenderer } from 'vitepress';

/** Pages of the repository's root that the site has a copy of. */
const COPIES: Readonly<Record<string, string>> = {
  'CHANGELOG.md': 'docs/reference/changelog.md',
  'CONTRIBUTING.md': 'docs/reference/contributing.md',
  'SECURITY.md': 'docs/reference/reporting.md',
  'README.md': 'docs/index.md',
};

/** The anchor that GitHub gives a heading. */
export function anchorOf(heading: string): string {
  return heading
    .toLowerCase()
    .replace(/[^\p{L}\p{N} _-]/gu, '')
    .replaceAll(' ', '-');
}

interface Options {
  readonly root: string;
  /** Such as https://github.com/OWNER/NAME; undefined: links to sources become their texts. */
  readonly repository: string | undefined;
}

/** Rewrites links that leave docs/: to the copy that the site has, or else to the repository. */
export function sourceLinks(markdown: MarkdownRenderer, { root, repository }: Options): void {
  markdown.core.ruler.push('source-links', ({ tokens, env }) => {
    const page = relative(root, env.realPath ?? env.path);
    for (const { children } of tokens) {
      const open: boolean[] = [];
      for (const token of children ?? []) {
        if (token.type === 'link_open') {
          const target = targetOf(page, token.attrGet('href') ?? '', { root, repository });
          if (target === undefined) token.tag = 'span';
          token.attrs = target === undefined ? [['class', 'source']] : [['href', target]];
          open.push(target === undefined);
        }
        if (token.type === 'link_close' && open.pop() === true) token.tag = 'span';
      }
    }
  });
}

/** Where a link leads on the site; undefined: nowhere. */
function targetOf(page: string, href: string, { root, repository }: Options): string | undefined {
  if (/^(?:[a-z]+:|#)/.test(href)) return href;
  const [path = '', anchor] = href.split('#');
  const file = join(dirname(page), path);
  const end = anchor === undefined ? '' : `#${anchor}`;
  const copy = COPIES[file];
  if (copy !== undefined) return `${relative(dirname(page), copy)}${end}`;
  if (file.startsWith('docs/')) return href;
  if (!existsSync(join(root, file))) throw new Error(`${page}: ${href} leads to no file`);
  return repository === undefined ? undefined : `${repository}/blob/main/${file}${end}`;
}
