#!/usr/bin/env node
// On one machine: lockstep train
// From a checkout: npm start -- --iterations 1000, or npm run lockstep -- COMMAND FLAGS
import { runCli } from './program.ts';
import { isLoadFailure } from './terminal/failure.ts';

// A reader such as `head` may close the pipe before the run ends, or a redirected output's disk may be full: the run continues.
process.stderr.on('error', () => {});
process.stdout.on('error', ({ code, message }: NodeJS.ErrnoException) => {
  if (code === 'EPIPE') return;
  process.stderr.write(`Standard output can't be written: ${message}.\n`);
  process.exitCode = 1;
});

process.on('unhandledRejection', (error) => {
  if (!isLoadFailure(error)) throw error;
});

const code = await runCli(process.argv.slice(2));
if (code !== 0) process.exitCode = code;
