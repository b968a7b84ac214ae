import { statfs } from 'node:fs/promises';
import { Gauge, type Registry } from 'prom-client';

/** Bytes that a program without privileges may still write to the file system of a folder. @throws if it can't be told */
async function freeBytesOf(folder: string): Promise<number> {
  const { bavail, bsize } = await statfs(folder);
  return bavail * bsize;
}

/**
 * Registers the free space of the run directory's file system, read at each scrape and at no step.
 * A file system that can't be asked has no series.
 */
export function registerDiskFamily(registry: Registry, folder: string, freeBytes = freeBytesOf): void {
  new Gauge({
    name: 'lockstep_disk_free_bytes',
    help: 'Bytes that can still be written to the file system of the run directory.',
    registers: [registry],
    async collect() {
      try {
        this.set(await freeBytes(folder));
      } catch {
        this.remove();
      }
    },
  });
}
