// Builds, then runs tests: npm test            the fast tier, which needs npm alone
//                          npm run test:all    both tiers
//                          npm test -- WORD …  the tests of both tiers whose file names contain a word
// The long tier is the files named *.long.test.ts.
import { once } from 'node:events';
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
/** If CI=true, so many files that fail are run again: the machine may have been busy. */
const MOST_AGAIN = 3;

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

/** Runs test files. @returns those that failed, and what else counts */
async function runFiles(files, concurrency) {
  const outcome = { executed: 0, skipped: [], failed: new Set() };
  const count = ({ name, skip, details }) => {
    if (skip !== undefined) outcome.skipped.push(name);
    // A file that holds no test is reported as one of its own name.
    else if (details.type !== 'suite' && !files.includes(name)) outcome.executed++;
  };
  const stream = run({ files, concurrency });
  stream.on('test:pass', count);
  stream.on('test:fail', (event) => {
    count(event);
    if (event.todo === undefined) outcome.failed.add(event.file ?? event.name);
  });
  const printed = stream.compose(new Spec());
  printed.pipe(process.stdout, { end: false });
  await once(printed, 'end');
  return outcome;
}

async function runTests(files) {
  const { executed, skipped, failed } = await runFiles(files, CONCURRENCY);
  if (executed === 0) fail('No test was executed.');
  if (process.env.CI === 'true' && skipped.length > 0)
    fail(`Skipped, which is a failure if CI=true: ${skipped.join(', ')}.`);
  if (failed.size === 0) return;
  const again = [...failed].filter((file) => files.includes(file));
  if (process.env.CI !== 'true' || again.length < failed.size || again.length > MOST_AGAIN) process.exit(1);
  const names = again.map((file) => relative(root, file)).join(', ');
  console.log(`Failed, so run once more without others beside them: ${names}`);
  const { failed: twice } = await runFiles(again, 1);
  if (twice.size > 0) fail(`Failed twice: ${[...twice].map((file) => relative(root, file)).join(', ')}`);
  console.log(`Failed once and passed then, which is a fault of the tests: ${names}`);
}

const { values, positionals: words } = parseArgs({ options: { all: { type: 'boolean' } }, allowPositionals: true });
buildOrExit();
// Tests run programs in folders of their own.
if (process.env.MNIST_DIR) process.env.MNIST_DIR = resolve(process.env.INIT_CWD ?? '.', process.env.MNIST_DIR);
const isChosen = (file) => {
  if (words.length > 0) return words.some((word) => file.includes(word));
  return values.all === true || !file.endsWith(LONG);
};
await runTests(testFiles(words, isChosen));
// A test that leaves a handle open would keep the process.
process.exit();
