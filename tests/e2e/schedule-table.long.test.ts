// A learning rate by a table, from the command line: resumed beyond its iterations, compared and verified.
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { lockstep, manifestOf, SMALL, stepsOf } from '../support/program.ts';

const folder = mkdtempSync(join(tmpdir(), 'lockstep-schedule-'));
after(() => rmSync(folder, { recursive: true }));

const TABLE = '0:0.25,8:1,20:0.5';
const FLAGS = ['--batch', '16', '--shard-size', '4', '--checkpoint-every', '10', '--evaluate-every', '0'];
const NEW = ['train', ...FLAGS, ...SMALL, '--learning-rate', '0.004', '--schedule', TABLE, '--metrics-port', 'off'];

function succeed(args: readonly string[]): string {
  const { status, stdout, stderr } = lockstep(args);
  assert.equal(status, 0, stderr);
  return stdout;
}

const hashOf = (run: string) => (manifestOf(run).result as { weightsSha256: string }).weightsSha256;

test('a run by a table is resumed to more steps with the same bits, and is verified', () => {
  const [whole, resumed, three] = ['whole', 'resumed', 'three'].map((name) => join(folder, name)) as [
    string,
    string,
    string,
  ];
  succeed([...NEW, '--iterations', '30', '--out', whole]);
  succeed([...NEW, '--iterations', '30', '--workers', '3', '--out', three]);
  succeed([...NEW, '--iterations', '14', '--out', resumed]);
  succeed(['train', '--resume', resumed, '--iterations', '30', '--schedule', TABLE, '--metrics-port', 'off']);
  assert.deepEqual([hashOf(resumed), hashOf(three)], [hashOf(whole), hashOf(whole)]);
  assert.deepEqual((manifestOf(whole).config as { schedule: unknown }).schedule, [
    [0, 0.25],
    [8, 1],
    [20, 0.5],
  ]);
  const rates = stepsOf(resumed).map(({ learningRate }) => learningRate as number);
  const base = 0.004;
  assert.deepEqual(
    [rates[0], rates[4], rates[8], rates[14], rates[29]],
    [1, 2.5, 4, 3, 2].map((part) => (base * part) / 4),
  );
  for (const run of [whole, resumed]) succeed(['verify', run, '--kernel', 'wasm', '--data', 'synthetic']);

  const { stderr, status } = lockstep(['train', '--resume', resumed, '--schedule', '0:1']);
  assert.equal(status, 2);
  assert.match(stderr, new RegExp(`--schedule: the run has ${TABLE}, but this is 0:1`));

  const other = join(folder, 'other');
  succeed([...NEW, '--iterations', '30', '--schedule', '0:0.25,8:1', '--out', other]);
  const diff = lockstep(['diff', whole, other]);
  assert.match(diff.stdout + diff.stderr, new RegExp(`--schedule.*${TABLE}.*0:0.25,8:1`));
});
