// Builds where needed, then runs the command line in this process, so that signals and exit codes are its own.
import { fileURLToPath } from 'node:url';
import { build } from './build.js';

try {
  build();
} catch (error) {
  if (typeof error.status !== 'number') throw error;
  process.exit(1); // the compiler has already said why
}
const main = new URL('../dist/cli/main.js', import.meta.url);
process.argv[1] = fileURLToPath(main);
await import(main.href);
