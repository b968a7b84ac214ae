// Acquires the lock of a folder whenever a line comes on stdin, sets its process title then, and stays until stdin ends.
import { createInterface } from 'node:readline';
import { RunLock } from '#src/coordinator/run/run-lock.js';
import { RunLockError } from '#src/shared/util/errors.js';

const [folder = '', title = ''] = process.argv.slice(2);
console.log('ready');
for await (const _ of createInterface({ input: process.stdin })) {
  try {
    await RunLock.acquire(folder, { force: false, print: () => {} });
    process.title = title;
    console.log('held');
  } catch (error) {
    console.log(error instanceof RunLockError ? 'refused' : String(error));
  }
}
