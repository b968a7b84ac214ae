import assert from 'node:assert/strict';
import { test } from 'node:test';
import { WriteFailures } from '#src/coordinator/run/write-failures.js';
import { RunDirectoryError } from '#src/shared/util/errors.js';

function failure(file: string, code: string): Error {
  const cause = Object.assign(new Error(`${code}: it fails`), { code });
  return new RunDirectoryError(`${file} could not be written: ${code}. Check the disk.`, { cause });
}

test('what fails for the same reason is reported once, and so is the end of it', () => {
  const lines: string[] = [];
  const failures = new WriteFailures((line) => lines.push(line));
  for (let attempt = 0; attempt < 3; attempt++) {
    failures.failed('checkpoints', failure('a checkpoint', 'ENOSPC'));
    failures.failed('steps.jsonl', failure('the log', 'ENOSPC'));
  }
  assert.match(
    lines.join('\n'),
    /^WAITING FOR THE DISK: a checkpoint could not be written: ENOSPC\. Check the disk\. .*$/,
  );
  // A little has room, but not all.
  failures.succeeded('steps.jsonl', 'with every line');
  failures.failed('steps.jsonl', failure('the log', 'ENOSPC'));
  failures.succeeded('checkpoints', 'that of step 40 included');
  assert.equal(lines.length, 1);
  failures.succeeded('steps.jsonl', 'with every line');
  assert.deepEqual(lines.slice(1), [
    'The disk is written again: checkpoints, that of step 40 included; steps.jsonl, with every line.',
  ]);
  failures.succeeded('checkpoints', 'that of step 80 included');
  assert.equal(lines.length, 2);
  failures.failed('checkpoints', failure('a checkpoint', 'ENOSPC'));
  assert.equal(lines.length, 3);
});

test('another reason has its own line, and nobody waits for what has ended', () => {
  const lines: string[] = [];
  const failures = new WriteFailures((line) => lines.push(line));
  failures.failed('steps.jsonl', failure('the log', 'ENOSPC'));
  failures.failed('checkpoints', failure('a checkpoint', 'EIO'));
  assert.equal(lines.length, 2);
  failures.ended('steps.jsonl');
  failures.succeeded('checkpoints', 'that of step 40 included');
  assert.match(lines[2] ?? '', /^The disk is written again: checkpoints/);
});
