// Builds, then runs tests: npm test            the fast tier, which needs npm alone
//                          npm run test:all    both tiers
//                          npm test -- WORD …  the tests of both tiers whose file names contain a word
// The long tier is the files named *.long.test.ts.
import { existsSync, readdirSync } from 'node:fs';
import { join, relative, resolve } from 'node:path';
import { run } from 'node:test';
import { spec as Spec } from 'node:test/reporters';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { buildOrExit } from './build.js';

const root = fileURLToPath(new URL('..', import.meta.url));
const LONG = '.long.test.ts';
/** Test files at a time. */
const CONCURRENCY = 2;

/** The outputs of the tests that exist now: dist may still hold those of deleted ones. */
function testFiles(words, isChosen) {
  const sources = join(root, 'tests');
  const files = readdirSync(sources, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith('.test.ts'))
    .map((entry) => relative(sources, join(entry.parentPath ?? entry.path, entry.name)))
    .filter(isChosen)
    .sort();
  if (files.length === 0) fail(`No test file in tests/ matches ${words.join(' ') || '*.test.ts'}.`);
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
  let executed = 0;
  const skipped = [];
  const stream = run({ files, concurrency: CONCURRENCY });
  const count = ({ name, skip, details }) => {
    if (skip !== undefined) skipped.push(name);
    // A file that holds no test is reported as one of its own name.
    else if (details.type !== 'suite' && !files.includes(name)) executed++;
  };
  stream.on('test:pass', count);
  stream.on('test:fail', (event) => {
    count(event);
    if (event.todo === undefined) process.exitCode = 1;
  });
  stream.compose(new Spec()).pipe(process.stdout);
  process.on('exit', () => {
    if (executed === 0) {
      console.error('No test was executed.');
      process.exitCode = 1;
    }
    if (process.env.CI === 'true' && skipped.length > 0) {
      console.error(`Skipped, which is a failure if CI=true: ${skipped.join(', ')}.`);
      process.exitCode = 1;
    }
  });
}

const { values, positionals: words } = parseArgs({ options: { all: { type: 'boolean' } }, allowPositionals: true });
buildOrExit();
// Tests run programs in folders of their own.
if (process.env.MNIST_DIR) process.env.MNIST_DIR = resolve(process.env.INIT_CWD ?? '.', process.env.MNIST_DIR);
const isChosen = (file) => {
  if (words.length > 0) return words.some((word) => file.includes(word));
  return values.all === true || !file.endsWith(LONG);
};
runTests(testFiles(words, isChosen));
