import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, it } from 'node:test';

type Steps = Readonly<Record<string, () => Promise<void>>>;
type Failed = (way: string, error: Error) => void;

const { firstThatWorks, waysFor } = (await import(new URL('../../../tools/tfjs/ways.js', import.meta.url).href)) as {
  waysFor: (wheel: object | undefined) => string[];
  firstThatWorks: (ways: readonly string[], steps: Steps, failed: Failed) => Promise<string>;
};

/** Tries the ways on a machine with a wheel, of which some fail. */
async function tried(failing: readonly string[]) {
  const [tries, failures]: [string[], string[]] = [[], []];
  const step = (way: string) => async (): Promise<void> => {
    tries.push(way);
    if (failing.includes(way)) throw new Error(`${way} fails`);
  };
  const steps = { wheel: step('wheel'), vendor: step('vendor') };
  const way = await firstThatWorks(waysFor({}), steps, (failed) => failures.push(failed)).catch(
    ({ message }: Error) => message,
  );
  return { way, tries, failures };
}

interface Manifest {
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly peerDependencies?: Readonly<Record<string, string>>;
  readonly packages: Readonly<Record<string, { readonly integrity?: string }>>;
}

function manifest(file: string): Manifest {
  return JSON.parse(readFileSync(new URL(`../../../${file}`, import.meta.url), 'utf8'));
}

describe('setup:tfjs', () => {
  it('installs the version of the peer dependency, by the hash of each package, which npm ci leaves out', () => {
    const { '@tensorflow/tfjs-node': version } = manifest('package.json').peerDependencies ?? {};
    assert.deepEqual(manifest('tools/tfjs/package.json').dependencies, { '@tensorflow/tfjs-node': version });
    const { '': _, ...others } = manifest('tools/tfjs/package-lock.json').packages;
    assert.ok('node_modules/@tensorflow/tfjs-node' in others);
    const unchecked = Object.keys(others).filter((name) => !others[name]?.integrity?.startsWith('sha512-'));
    assert.deepEqual(unchecked, []);
    const brought = Object.keys(manifest('package-lock.json').packages).filter((name) => name.includes('tensorflow'));
    assert.deepEqual(brought, []);
  });

  it('takes the wheel, whose digest is checked, and asks the vendor for nothing if that works', async () => {
    assert.deepEqual(await tried([]), { way: 'wheel', tries: ['wheel'], failures: [] });
  });

  it("runs the vendor's installer if the wheel fails, and fails with it", async () => {
    const tries = ['wheel', 'vendor'];
    assert.deepEqual(await tried(['wheel']), { way: 'vendor', tries, failures: ['wheel'] });
    assert.deepEqual(await tried(tries), { way: 'vendor fails', tries, failures: tries });
  });

  it("has the vendor's installer alone if there is no wheel for the machine", () => {
    assert.deepEqual(waysFor(undefined), ['vendor']);
  });
});
