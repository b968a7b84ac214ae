// Builds the site of docs/: npm run docs        to docs/.vitepress/dist
//                            npm run docs:dev    a server that follows changes of pages
// DOCS_BASE is the site's folder on its host, such as /lockstep/; DOCS_REPOSITORY the address to which links to sources lead.
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { buildOrExit } from '../build.js';
import { writeApi } from './api.js';
import { packageFolder } from './package-folder.js';
import { writeProjectPages } from './project-pages.js';

const root = fileURLToPath(new URL('../..', import.meta.url));
const REFERENCE = join(root, 'docs/reference');

/** Ends this process if it fails, after what it has printed. */
function runVitepress(command) {
  const program = join(packageFolder('vitepress'), 'bin/vitepress.js');
  const { status } = spawnSync(process.execPath, [program, command, 'docs'], { cwd: root, stdio: 'inherit' });
  if (status !== 0) process.exit(status ?? 1);
}

const { values } = parseArgs({ options: { dev: { type: 'boolean', default: false } } });
buildOrExit();
// What it describes has just been built.
const { writeCommandLine } = await import('./command-line.js');
writeCommandLine(join(REFERENCE, 'command-line.md'));
writeProjectPages(root, REFERENCE);
await writeApi(root, join(REFERENCE, 'api'));
runVitepress(values.dev ? 'dev' : 'build');
if (!values.dev) {
  const { brokenLinks } = await import('./links.js');
  const broken = brokenLinks(join(root, 'docs/.vitepress/dist'), process.env.DOCS_BASE ?? '/');
  for (const problem of broken) console.error(problem);
  if (broken.length > 0) process.exit(1);
}
