import { existsSync, type FSWatcher, readdirSync, watch } from 'node:fs';
import { join } from 'node:path';

/** How far a run has come, by its checkpoints. */
export class Progress {
  readonly #folder: string;

  constructor(run: string) {
    this.#folder = join(run, 'checkpoints');
  }

  /** @returns true when the run has come to `step`, false where it ended before */
  async reaches(step: number, ended: Promise<unknown>): Promise<boolean> {
    let watcher: FSWatcher | undefined;
    const reached = new Promise<true>((resolve) => {
      const look = (): void => {
        if (this.#step() >= step) resolve(true);
      };
      watcher = watch(this.#folder, look);
      look();
    });
    try {
      return await Promise.race([reached, ended.then(() => false)]);
    } finally {
      watcher?.close();
    }
  }

  #step(): number {
    if (!existsSync(this.#folder)) return 0;
    const names = readdirSync(this.#folder).filter((name) => name.endsWith('.safetensors'));
    return Math.max(0, ...names.map((name) => Number.parseInt(name.slice('step-'.length), 10)));
  }
}
