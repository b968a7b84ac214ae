#!/usr/bin/env node
// On one machine: lockstep train
// From a checkout: npm start -- --iterations 1000, or npm run lockstep -- COMMAND FLAGS
import { leaveClosedTerminal } from './hangup.ts';
import { setUsualSignals, stopWithNpm } from './signals.ts';
import { isLoadFailure } from './terminal/failure.ts';

// Before the rest is loaded: a signal may come in that time.
setUsualSignals();
stopWithNpm();
process.on('exit', leaveClosedTerminal);

// A reader such as `head` may close the pipe before the run ends, or a redirected output's disk may be full: the run continues.
process.stderr.on('error', () => {});
process.stdout.on('error', ({ code, message }: NodeJS.ErrnoException) => {
  // EIO: the terminal was closed.
  if (code === 'EPIPE' || (code === 'EIO' && process.stdout.isTTY)) return;
  process.stderr.write(`Standard output can't be written: ${message}.\n`);
  process.exitCode = 1;
});

process.on('unhandledRejection', (error) => {
  if (!isLoadFailure(error)) throw error;
});

const { runCli } = await import('./program.ts');
const code = await runCli(process.argv.slice(2));
if (code !== 0) process.exitCode = code;
