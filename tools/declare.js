// Writes the library's types to dist/types, with the comments that editors show and nothing that its users can't reach: node tools/declare.js
import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const types = join(root, 'dist/types');
const typescript = dirname(createRequire(import.meta.url).resolve('typescript/package.json'));

/** Adds a declaration file and all that it leads to. */
function reachedFrom(file, reached) {
  if (reached.has(file) || !existsSync(file)) return;
  reached.add(file);
  const imports = readFileSync(file, 'utf8').matchAll(/\b(?:from|import\() ?['"](\.{1,2}\/[^'"]+)\.ts['"]/g);
  for (const [, path] of imports) reachedFrom(join(dirname(file), `${path}.d.ts`), reached);
}

/** What the build compiled last. */
const digest = readFileSync(join(root, 'dist/.typescript.digest'), 'utf8');
const stamp = join(root, 'dist/.types.digest');
if (existsSync(types) && existsSync(stamp) && readFileSync(stamp, 'utf8') === digest) process.exit();

for (const old of [stamp, types]) rmSync(old, { recursive: true, force: true });
const options = ['--emitDeclarationOnly', '--outDir', types, '--removeComments', 'false', '--composite', 'false'];
const more = ['--incremental', 'false', '--tsBuildInfoFile', 'null'];
const tsc = [join(typescript, 'bin', 'tsc'), '--project', join(root, 'src'), ...options, ...more];
execFileSync(process.execPath, tsc, { stdio: ['ignore', 2, 'inherit'] });
const reached = new Set();
for (const entry of ['index', 'browser']) reachedFrom(join(types, `library/${entry}.d.ts`), reached);
for (const entry of readdirSync(types, { recursive: true, withFileTypes: true })) {
  const file = join(entry.parentPath ?? entry.path, entry.name);
  if (entry.isFile() && !reached.has(file)) rmSync(file);
}
writeFileSync(stamp, digest);
