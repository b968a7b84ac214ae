import { openPlainFile } from '../../../shared/util/plain-file.ts';
import { MAX_LINE_BYTES, parseStepLine } from '../../run/step-lines.ts';
import { type Part, partsOf, unlessMissing } from '../../run/step-parts.ts';
import { readSteps } from '../../run/step-reader.ts';
import { History } from './history.ts';

const LINE_FEED = 0x0a;

/** Reads a log that grows: each time what was added since the time before. */
export class LogFollower {
  readonly #path: string;
  readonly #history = new History();
  /** The number of old parts of the log, which don't change. */
  #parts: number | undefined;
  /** The end of the last complete line of steps.jsonl that was read. */
  #end = 0;

  constructor(path: string) {
    this.#path = path;
  }

  /**
   * The steps so far.
   * @returns undefined if the log isn't what it was, has just become an old part, or has a line that is no step's: this follower is of
   * no use then
   * @throws the file system's error
   */
  async read(): Promise<History | undefined> {
    const file = await openPlainFile(this.#path, 'read').catch(unlessMissing);
    if (file === undefined) return undefined;
    try {
      // Listed after the file was opened: should that become a part in between, its lines come twice, and are refused.
      const parts = await partsOf(this.#path);
      this.#parts ??= await this.#takeParts(parts);
      if (parts.length !== this.#parts || (await file.stat()).size < this.#end) return undefined;
      let rest = Buffer.alloc(0);
      for await (const chunk of file.createReadStream({ start: this.#end, autoClose: false })) {
        rest = Buffer.concat([rest, chunk]);
        const end = rest.lastIndexOf(LINE_FEED) + 1;
        if (!this.#take(rest.toString('utf8', 0, end)) || rest.length - end > MAX_LINE_BYTES) return undefined;
        this.#end += end;
        rest = rest.subarray(end);
      }
      return this.#history;
    } finally {
      await file.close();
    }
  }

  async #takeParts(parts: readonly Part[]): Promise<number> {
    const toPart = parts.at(-1)?.number ?? 0;
    for await (const record of readSteps(this.#path, { toPart })) this.#history.step(record);
    return parts.length;
  }

  /** @returns whether all lines are those of the next steps */
  #take(lines: string): boolean {
    return lines
      .split('\n')
      .slice(0, -1)
      .every((line) => {
        const record = parseStepLine(line);
        if (record === undefined || record.step <= this.#history.lastStep) return false;
        this.#history.step(record);
        return true;
      });
  }
}
