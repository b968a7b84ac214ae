// Alters everything that a run's files state, one value at a time: `verify --all` must notice each, and name it.
import assert from 'node:assert/strict';
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { before, describe, test } from 'node:test';
import { verificationText } from '#src/cli/commands/verify.js';
import { RunDirectoryError } from '#src/shared/util/errors.js';
import { checkpointOf, copyOf, folder, forge, linesOf, train, verify, writeLines } from './tampered.ts';

type Json = null | boolean | number | string | Json[] | { [key: string]: Json };
type Path = readonly string[];

/** What run.json says of times, places and settings that decide nothing that is computed (docs/runs.md). */
const UNCHECKED = [
  /^(name|id)$/,
  /^explicit\./,
  /^(versions|git|host|addresses)\./,
  /^config\.(plaintext|out|data|metricsPort|metricsHost|logLevel|logFormat|tensorboard|json|keep|forceUnlock|maxTime|maxTimeExitCode|lockId|checkpointMinutes)$/,
  /^attempts\.\d\.(host|pid)$/,
  // Only this says it of an attempt that isn't the last.
  /^attempts\.(0\.ended|0\.workers|1\.started)$/,
  /^result\.(run|samplesPerSecond|seconds)$/,
];
/** Durations, and the time of a step, of which only the order can be checked. */
const UNCHECKED_IN_LINE = [/^timings\./];

/** Another value that the schema allows, for the texts that can't be any. */
const OTHER: Readonly<Record<string, string>> = {
  state: 'stopped',
  optimizer: 'adamw',
  schedule: 'cosine',
  head: 'rbf',
  augment: 'none',
  backend: 'tfjs',
};

const run = join(folder, 'stated');

/** Two attempts; the second evaluates and saves at other steps than the first. */
before(() => {
  const common = ['--hash-every', '3', '--schedule', 'constant', '--out', run];
  train('--iterations', '5', '--evaluate-every', '2', '--checkpoint-every', '3', ...common);
  train('--resume', run, '--iterations', '9', '--evaluate-every', '3', '--checkpoint-every', '2');
});

function pathsOf(json: Json, path: Path = []): { readonly leaves: Path[]; readonly objects: Path[] } {
  if (typeof json !== 'object' || json === null) return { leaves: [path], objects: [] };
  const below = Object.entries(json).map(([key, value]) => pathsOf(value, [...path, key]));
  return {
    leaves: below.flatMap(({ leaves }) => leaves),
    objects: [...(Array.isArray(json) ? [] : [path]), ...below.flatMap(({ objects }) => objects)],
  };
}

/** A copy in which `change` has changed the object that holds the last part of `path`. */
function changed(json: Json, path: Path, change: (parent: Record<string, Json>, key: string) => void): Json {
  const copy = structuredClone(json);
  const parent = path.slice(0, -1).reduce((value, key) => (value as Record<string, Json>)[key] as Json, copy);
  change(parent as Record<string, Json>, path.at(-1) as string);
  return copy;
}

function otherThan(leaf: Json | undefined, key: string): Json {
  if (typeof leaf === 'boolean') return !leaf;
  if (typeof leaf === 'number') return Number.isInteger(leaf) ? leaf + 1 : leaf * (1 + 2 ** -51);
  const text = String(leaf);
  if (/T.*Z$/.test(text)) return text.replace(/\d{3}Z$/, (end) => (end === '500Z' ? '501Z' : '500Z'));
  return OTHER[key] ?? text.replace(/^./, (first) => (first === 'a' ? 'b' : 'a'));
}

/** The lines about what differs, or the message of the error by which a file is refused. */
async function found(altered: string, spans = Number.POSITIVE_INFINITY): Promise<string[]> {
  try {
    const verification = await verify(altered, { spans });
    const lines = verificationText(verification, 1).filter((line) => /DIFFER|DAMAGED/.test(line));
    assert.equal(verification.same, lines.length === 0);
    return lines;
  } catch (error) {
    assert.ok(error instanceof RunDirectoryError, String((error as Error).stack));
    return [error.message];
  }
}

/**
 * Asserts that `verify` notices what `alter` does to a copy of the run, and names it.
 * @param spans number of spans that may be computed again for it
 */
async function assertNoticed(
  what: string,
  alter: (copy: string) => void,
  { name = what, spans }: { readonly name?: string; readonly spans?: number } = {},
): Promise<void> {
  const copy = copyOf(run);
  alter(copy);
  const lines = await found(copy, spans);
  rmSync(copy, { recursive: true });
  assert.ok(
    lines.some((line) => new RegExp(name).test(line)),
    `${what}: ${lines.length === 0 ? 'unnoticed' : `expected ${name} in\n${lines.join('\n')}`}`,
  );
}

/** Calls `check` for all, and fails once with every failure. */
async function forAll<T>(all: readonly T[], check: (each: T) => Promise<void>): Promise<void> {
  assert.ok(all.length > 0);
  const failures: string[] = [];
  for (const each of all) await check(each).catch((error: Error) => failures.push(error.message));
  assert.deepEqual(failures, []);
}

/** What a message about a value must have: its key, or for a list's the list's own; a spec is compared as a whole. */
function keyOf(path: Path): string {
  if (path[1] === 'model') return 'model';
  return path.join('.') === 'digests.dataset' ? 'data ?set' : (path.findLast((key) => !/^\d+$/.test(key)) as string);
}

const manifest = (): Json => JSON.parse(readFileSync(join(run, 'run.json'), 'utf8'));
const writeManifest = (copy: string, json: Json): void => writeFileSync(join(copy, 'run.json'), JSON.stringify(json));
const isChecked = (path: Path, unchecked: readonly RegExp[]): boolean =>
  !unchecked.some((pattern) => pattern.test(path.join('.')));

test('the run as it was written is the same', async () => assert.deepEqual(await found(run), []));

describe('run.json', () => {
  test('with any value changed', async () => {
    const json = manifest();
    const leaves = pathsOf(json).leaves.filter((path) => isChecked(path, UNCHECKED));
    await forAll(leaves, (path) => {
      const altered = changed(json, path, (parent, key) => {
        parent[key] = otherThan(parent[key], key);
      });
      return assertNoticed(path.join('.'), (copy) => writeManifest(copy, altered), { name: keyOf(path), spans: 0 });
    });
  });

  test('with any value removed', async () => {
    const json = manifest();
    // An option that is missing has its default, because an older version didn't have it.
    const leaves = pathsOf(json).leaves.filter((path) => path[0] !== 'config' && isChecked(path, UNCHECKED));
    await forAll(leaves, (path) => {
      const altered = changed(json, path, (parent, key) => {
        delete parent[key];
      });
      return assertNoticed(path.join('.'), (copy) => writeManifest(copy, altered), { name: keyOf(path), spans: 0 });
    });
  });

  test('with a value added, or one that stands twice', async () => {
    const json = manifest();
    // A host is described by whatever there is.
    await forAll(
      pathsOf(json).objects.filter(([first]) => first !== 'host'),
      (path) => {
        const altered = changed(json, [...path, 'unheard'], (parent, key) => {
          parent[key] = 1;
        });
        return assertNoticed([...path, 'unheard'].join('.'), (copy) => writeManifest(copy, altered), {
          name: 'unheard',
          spans: 0,
        });
      },
    );
    const text = JSON.stringify(json);
    const twice = text.replace('"testAccuracy":', '"testAccuracy":0.99,"testAccuracy":');
    await assertNoticed('testAccuracy', (copy) => writeFileSync(join(copy, 'run.json'), twice));
  });
});

describe('steps.jsonl', () => {
  const lines = (): string[] => linesOf(run);
  /** A plain line, the end of the first attempt, and one with everything. */
  const steps = [1, 5, 6];

  test('with any value changed or removed in a line', async () => {
    const all = steps.flatMap((step) =>
      pathsOf(JSON.parse(lines()[step - 1] as string)).leaves.map((path) => ({ step, path })),
    );
    await forAll(
      all.filter(({ path }) => isChecked(path, UNCHECKED_IN_LINE)),
      async ({ step, path }) => {
        const line = JSON.parse(lines()[step - 1] as string);
        const key = keyOf(path);
        const other = changed(line, path, (parent) => {
          parent[key] = otherThan(parent[key], key);
        });
        const without = changed(line, path, (parent) => {
          delete parent[key];
        });
        for (const altered of [other, without]) {
          const text = JSON.stringify(altered);
          await assertNoticed(`${key} of step ${step}`, (copy) => writeLines(copy, lines().with(step - 1, text)), {
            name: key,
          });
        }
      },
    );
  });

  test('with a value added in a line, or one that stands twice', async () => {
    const line = lines()[3] as string;
    await forAll(
      pathsOf(JSON.parse(line)).objects.filter(({ length }) => length < 2),
      (path) => {
        const altered = changed(JSON.parse(line), [...path, 'unheard'], (parent, key) => {
          parent[key] = 1;
        });
        return assertNoticed('unheard', (copy) => writeLines(copy, lines().with(3, JSON.stringify(altered))));
      },
    );
    const keys = [...line.matchAll(/"(\w+)":/g)].map(([, key]) => key as string);
    await forAll(keys, (key) =>
      assertNoticed(key, (copy) =>
        writeLines(copy, lines().with(3, line.replace(`"${key}":`, `"${key}":0.5,"${key}":`))),
      ),
    );
  });

  test('with any line removed, repeated or moved, or one added', async () => {
    await forAll(
      lines().map((_, i) => i),
      async (i) => {
        const step = `step ${i + 1}`;
        await assertNoticed(step, (copy) => writeLines(copy, lines().toSpliced(i, 1)));
        await assertNoticed(step, (copy) => writeLines(copy, lines().toSpliced(i, 0, lines()[i] as string)));
      },
    );
    const next = (lines()[8] as string).replace('"step":9', '"step":10');
    await assertNoticed('step 10', (copy) => writeLines(copy, [...lines(), next]));
  });

  test('whose steps are of another time order', async () => {
    const line = JSON.parse(lines()[4] as string);
    const early = JSON.stringify({ ...line, timings: { ...line.timings, at: 1_700_000_000_000 } });
    await assertNoticed('timings.at', (copy) => writeLines(copy, lines().with(4, early)));
  });
});

describe('the checkpoints', () => {
  test('of which one is missing that is always kept', async () => {
    for (const step of [5, 9]) {
      await assertNoticed(`step-0000000${step}`, (copy) => rmSync(checkpointOf(copy, step)));
    }
  });

  test('with other metadata under a correct digest', async () => {
    const { config } = manifest() as { config: Record<string, Json> };
    const bits = ['iterations', 'batch', 'seed', 'optimizer', 'momentum', 'learningRate', 'augment', 'hashEvery'];
    await forAll(bits, (key) =>
      assertNoticed(key, (copy) =>
        forge(copy, 6, (state) => ({ config: { ...state.config, [key]: otherThan(config[key], key) } })),
      ),
    );
    const zeros = '0'.repeat(64);
    await forAll([5, 6, 9], (step) => assertNoticed('chain', (copy) => forge(copy, step, () => ({ chain: zeros }))));
    await assertNoticed('optimizer', (copy) => forge(copy, 6, () => ({ optimizerName: 'adamw' })));
    for (const digest of ['dataset', 'numerics', 'init']) {
      await assertNoticed('step-00000006', (copy) =>
        forge(copy, 6, ({ digests }) => ({ digests: { ...digests, [digest]: zeros } })),
      );
    }
    await assertNoticed('step-00000006', (copy) => forge(copy, 6, () => ({ step: 7 })));
    await assertNoticed('weightsSha256', (copy) =>
      forge(copy, 9, ({ weights }) => ({ weights: weights.with(0, 0.5) })),
    );
  });
});
