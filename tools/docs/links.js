// The links and anchors of the built site. VitePress checks that pages exist, and no anchors.
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { join, posix, relative } from 'node:path';

/** What is wrong with the links of a site, a line each. */
export function brokenLinks(folder, base = '/') {
  const pages = readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith('.html'))
    .map((entry) => relative(folder, join(entry.parentPath ?? entry.path, entry.name)));
  const site = new Map(pages.map((page) => [page, readPage(join(folder, page))]));
  if (pages.length === 0) return [`${folder} holds no page`];
  return pages.flatMap((page) => {
    const { links } = site.get(page);
    return [...links]
      .map((link) => problemOf({ folder, base, site, page, link }))
      .filter((problem) => problem !== undefined);
  });
}

function readPage(file) {
  const html = readFileSync(file, 'utf8');
  return {
    links: new Set([...html.matchAll(/<(?:a|img)[^>]*? (?:href|src)="([^"]+)"/g)].map(([, link]) => decoded(link))),
    anchors: new Set([...html.matchAll(/ id="([^"]+)"/g)].map(([, id]) => decoded(id))),
  };
}

function decoded(text) {
  return decodeURIComponent(text.replaceAll('&amp;', '&').replaceAll('&#39;', "'").replaceAll('&quot;', '"'));
}

function problemOf({ folder, base, site, page, link }) {
  if (/^(?:[a-z]+:|\/\/)/.test(link)) return undefined;
  const [path, anchor] = link.split('#');
  const target = path === '' ? page : fileOf(folder, base, posix.join(posix.dirname(`/${page}`), path), path);
  if (target === undefined) return `${page}: ${link} leads nowhere`;
  if (!anchor || !target.endsWith('.html')) return undefined;
  return site.get(target).anchors.has(anchor) ? undefined : `${page}: ${link} leads to no heading`;
}

/** The file that a host answers an address with. */
function fileOf(folder, base, beside, path) {
  const absolute = path.startsWith('/') ? path : beside;
  if (path.startsWith('/') && !path.startsWith(base)) return undefined;
  const name = (path.startsWith('/') ? absolute.slice(base.length) : absolute.slice(1)).replace(/\/$/, '/index');
  const names = [name, `${name}.html`, name === '' ? 'index.html' : join(name, 'index.html')];
  return names.find((each) => existsSync(join(folder, each)) && statSync(join(folder, each)).isFile());
}
