// Prints a file that it downloads: node download-program.js URL
import { download } from '#src/shared/data/download.js';

const [, , url = ''] = process.argv;
try {
  process.stdout.write(await download(url, { limit: 1 << 20, env: process.env }));
} catch (error) {
  process.stdout.write(`It ${(error as Error).message}`);
}
