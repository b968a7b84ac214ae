// Builds, then runs the tests: all of them, or those whose file names contain one of the arguments.
import { existsSync, readdirSync } from 'node:fs';
import { join, relative, resolve } from 'node:path';
import { run } from 'node:test';
import { spec as Spec } from 'node:test/reporters';
import { fileURLToPath } from 'node:url';
import { build } from './build.js';

const root = fileURLToPath(new URL('..', import.meta.url));
const CONCURRENCY = 2;

/** The outputs of the tests that exist now: dist may still hold those of deleted ones. */
function testFiles(names) {
  const sources = join(root, 'tests');
  const files = readdirSync(sources, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith('.test.ts'))
    .map((entry) => relative(sources, join(entry.parentPath ?? entry.path, entry.name)))
    .filter((file) => names.length === 0 || names.some((name) => file.includes(name)))
    .sort();
  if (files.length === 0) fail(`No test file in tests/ matches ${names.join(' ') || '*.test.ts'}.`);
  return files.map((file) => {
    const output = join(root, 'dist/tests', file.replace(/\.ts$/, '.js'));
    if (!existsSync(output)) fail(`The build left no ${relative(root, output)}.`);
    return output;
  });
}

function fail(message) {
  console.error(message);
  process.exit(1);
}

function runTests(files) {
  const skipped = [];
  const stream = run({ files, concurrency: CONCURRENCY });
  stream.on('test:fail', ({ todo }) => {
    if (todo === undefined) process.exitCode = 1;
  });
  stream.on('test:pass', ({ name, skip }) => {
    if (skip !== undefined) skipped.push(name);
  });
  stream.compose(new Spec()).pipe(process.stdout);
  process.on('exit', () => {
    if (process.env.CI !== 'true' || skipped.length === 0) return;
    console.error(`Skipped, which counts as failed where CI=true: ${skipped.join(', ')}.`);
    process.exitCode = 1;
  });
}

try {
  build();
} catch (error) {
  if (typeof error.status !== 'number') throw error;
  process.exit(1); // the compiler has already said why
}
// Tests run programs in folders of their own.
if (process.env.MNIST_DIR) process.env.MNIST_DIR = resolve(process.env.INIT_CWD ?? '.', process.env.MNIST_DIR);
runTests(testFiles(process.argv.slice(2)));
