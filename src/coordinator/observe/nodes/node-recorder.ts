import { writeNodes } from '../../run/node-record.ts';
import type { RunDirectory } from '../../run/run-directory.ts';
import type { NodeViews } from './node-views.ts';

const WRITE_MS = 10_000;

/** Keeps what the nodes of an attempt do and use in nodes.json of the run's directory. */
export class NodeRecorder {
  readonly #nodes: NodeViews;
  readonly #directory: RunDirectory;
  readonly #timer: NodeJS.Timeout;
  #writing: Promise<void> | undefined;

  constructor(nodes: NodeViews, directory: RunDirectory) {
    this.#nodes = nodes;
    this.#directory = directory;
    this.#timer = setInterval(() => {
      this.#writing ??= this.#write();
    }, WRITE_MS);
    this.#timer.unref();
  }

  /** Writes the nodes for the last time. */
  async close(): Promise<void> {
    clearInterval(this.#timer);
    await this.#writing;
    await this.#write();
  }

  async #write(): Promise<void> {
    // What can't be written is written the next time; other writers report what is wrong with the disk.
    await writeNodes(this.#directory, this.#nodes.overall).catch(() => {});
    this.#writing = undefined;
  }
}
