// The site of these pages: npm run docs builds it, npm run docs:dev shows it while pages change.
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vitepress';
import { anchorOf, sourceLinks } from './markdown.ts';
import { SIDEBAR } from './sidebar.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));
const icon = readFileSync(`${root}src/page/icon.svg`, 'utf8');
const { description, version } = JSON.parse(readFileSync(`${root}package.json`, 'utf8'));

export default defineConfig({
  title: 'Lockstep',
  description,
  lang: 'en',
  /** The site's folder on its host, such as /lockstep/. */
  base: process.env.DOCS_BASE ?? '/',
  head: [['link', { rel: 'icon', href: `data:image/svg+xml,${encodeURIComponent(icon)}` }]],
  cleanUrls: true,
  lastUpdated: false,
  ignoreDeadLinks: [/^https?:\/\/(?:localhost|127\.0\.0\.1)/],
  markdown: {
    anchor: { slugify: anchorOf },
    theme: { light: 'github-light-high-contrast', dark: 'github-dark-high-contrast' },
    config: (markdown) => markdown.use(sourceLinks, { root, repository: process.env.DOCS_REPOSITORY }),
  },
  themeConfig: {
    search: { provider: 'local', options: { detailedView: true } },
    nav: [
      { text: 'Guide', link: '/training' },
      { text: 'Tutorials', link: '/tutorials/first-run' },
      { text: 'Reference', link: '/reference/command-line' },
      { text: version, link: '/reference/changelog' },
    ],
    sidebar: [...SIDEBAR],
    outline: { level: [2, 3] },
    socialLinks: process.env.DOCS_REPOSITORY ? [{ icon: 'github', link: process.env.DOCS_REPOSITORY }] : [],
    externalLinkIcon: true,
    footer: { message: 'Licence: Apache-2.0.' },
  },
  vite: { build: { chunkSizeWarningLimit: 4000 } },
});
