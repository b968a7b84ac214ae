// The pages in groups. A page that is in none of them fails the test of the site.
import { existsSync, readdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { DefaultTheme } from 'vitepress';

type Item = DefaultTheme.SidebarItem;

interface Group extends Item {
  readonly text: string;
  readonly items: Item[];
}

const docs = fileURLToPath(new URL('..', import.meta.url));

/** What a reader looks for first. */
const FIRST_KINDS = ['functions', 'classes', 'variables'];

/** What typedoc has written: a folder for each kind, and in it a page for each export. */
function apiItems(): Item[] {
  const folder = `${docs}reference/api`;
  if (!existsSync(folder)) return [];
  const found = readdirSync(folder, { withFileTypes: true }).flatMap((entry) =>
    entry.isDirectory() ? [entry.name] : [],
  );
  const kinds = [
    ...FIRST_KINDS.filter((kind) => found.includes(kind)),
    ...found.filter((kind) => !FIRST_KINDS.includes(kind)),
  ];
  return kinds.map((kind) => ({
    text: kind.replaceAll('-', ' ').replace(/^./, (first) => first.toUpperCase()),
    collapsed: true,
    items: readdirSync(`${folder}/${kind}`).map((file) => {
      const name = file.replace(/\.md$/, '');
      return page(name, `reference/api/${kind}/${name}`);
    }),
  }));
}

function page(text: string, link: string): Item {
  return { text, link: `/${link}` };
}

/** The pages of docs/, by what a reader wants to do. */
export const SIDEBAR: readonly Group[] = [
  { text: 'Start', items: [page('What it is', ''), page('All pages', 'README')] },
  {
    text: 'Tutorials',
    items: [
      page('First run in five minutes', 'tutorials/first-run'),
      page('Your own pictures', 'tutorials/your-pictures'),
      page('Two machines', 'tutorials/two-machines'),
      page('A job of three days', 'tutorials/three-days'),
      page('From a run to a served model', 'tutorials/serve'),
    ],
  },
  {
    text: 'Running',
    items: [
      page('Train', 'training'),
      page('From TypeScript', 'library'),
      page('Examples', 'examples'),
      page('Stop, resume, verify', 'runs'),
      page('Docker', 'docker'),
    ],
  },
  {
    text: 'Data and models',
    items: [
      page('Data', 'data'),
      page('Networks', 'models'),
      page('Predict and draw', 'predict'),
      page('Export', 'export'),
      page('Import', 'import'),
      page('TensorFlow', 'tfjs'),
    ],
  },
  {
    text: 'Clusters',
    items: [
      page('When machines help', 'scaling'),
      page('Security', 'security'),
      page('Kubernetes', 'kubernetes'),
      page('Slurm', 'slurm'),
    ],
  },
  { text: 'Watching', items: [page('Monitoring', 'monitoring'), page('Metrics', 'metrics'), page('Report', 'report')] },
  {
    text: 'Explanations',
    items: [
      page('How the same bits come about', 'same-bits'),
      page('How the kernel is fast', 'fast-kernel'),
      page('What it is for, and what not', 'scope'),
      page('Comparison', 'comparison'),
    ],
  },
  {
    text: 'Reference',
    items: [
      page('Command line', 'reference/command-line'),
      { text: 'Library', link: '/reference/api/', collapsed: true, items: apiItems() },
      page('Determinism', 'determinism'),
      page('Protocol', 'protocol'),
      page('Benchmarks', 'benchmarks'),
      page('Changes', 'reference/changelog'),
      page('Versions', 'versioning'),
    ],
  },
  {
    text: 'Inside',
    items: [
      page('Architecture', 'architecture'),
      page('Threads', 'pool'),
      page('Kernel', 'kernel'),
      page('Contributing', 'reference/contributing'),
      page('Releasing', 'release'),
      page('Report a vulnerability', 'reference/reporting'),
    ],
  },
];
