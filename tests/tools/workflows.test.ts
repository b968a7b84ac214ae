// What actionlint, which .ci/run runs, doesn't look for in the workflows.
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { parse } from 'yaml';

interface Workflow {
  readonly permissions?: object;
  readonly jobs: Readonly<Record<string, Job>>;
}

interface Job {
  readonly 'timeout-minutes'?: number;
  readonly strategy?: { readonly matrix: { readonly node?: readonly number[] } };
  readonly steps: readonly { readonly uses?: string }[];
}

const root = fileURLToPath(new URL('../../..', import.meta.url));
const folder = join(root, '.github/workflows');
const files = readdirSync(folder);
const workflows = files.map((file): [string, Workflow] => [file, parse(readFileSync(join(folder, file), 'utf8'))]);

describe('the workflows', () => {
  for (const [file, { permissions, jobs }] of workflows) {
    it(`${file} has actions of one commit, few permissions and a limit of time`, () => {
      assert.ok(permissions !== undefined);
      for (const [name, { steps, ...job }] of Object.entries(jobs)) {
        assert.ok(job['timeout-minutes'], name);
        for (const { uses } of steps) if (uses !== undefined) assert.match(uses, /^[\w-]+\/[\w-]+@[0-9a-f]{40}$/);
      }
    });
  }

  it('test the versions of Node that .ci/run does', () => {
    const [, majors = ''] = /NODE_MAJORS=\(([\d ]+)\)/.exec(readFileSync(join(root, '.ci/run'), 'utf8')) ?? [];
    const tested = workflows.find(([file]) => file === 'test.yml')?.[1].jobs.test?.strategy?.matrix.node;
    assert.deepEqual(tested, majors.split(' ').map(Number));
  });
});
