#!/usr/bin/env node
// On one machine: lockstep train
// From a checkout: npm start -- --iterations 1000, or npm run lockstep -- COMMAND FLAGS
import { runCli } from './program.ts';

// A reader such as `head` may leave before the run ends; the run goes on without it.
for (const stream of [process.stdout, process.stderr]) {
  stream.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') throw error;
  });
}

process.exitCode = await runCli(process.argv.slice(2));
