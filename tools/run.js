// Builds if needed, then runs the command line in this process, so that signals and exit codes are its own.
import { fileURLToPath } from 'node:url';
import { buildOrExit } from './build.js';

const parent = process.ppid;
buildOrExit();
// npm was ended meanwhile, and has left this process behind.
if (process.ppid !== parent) process.exit(143);
const main = new URL('../dist/cli/main.js', import.meta.url);
process.argv[1] = fileURLToPath(main);
await import(main.href);
