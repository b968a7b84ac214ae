import { readFile, rename, writeFile } from 'node:fs/promises';
import { z } from 'zod';

const Step = z.int().nonnegative();

const PositionSchema = z.object({
  attempt: z.int().positive(),
  /** The last step of the attempt that the receiver answered for. */
  answered: Step,
  /** The last step of the request under way, if any: it may have come without anybody having seen the answer. */
  asked: Step,
});

/** How far the samples of a run have come. */
export type Position = z.output<typeof PositionSchema>;

const BookmarkSchema = PositionSchema.extend({ receiver: z.string() });

/** Keeps in a file how far the samples have come, so that a run that goes on after a crash sends what was left. */
export class Bookmark {
  readonly #file: string;
  readonly #receiver: string;

  /** @param receiver of another one nothing is known */
  constructor(file: string, receiver: string) {
    this.#file = file;
    this.#receiver = receiver;
  }

  async read(): Promise<Position | undefined> {
    const text = await readFile(this.#file, 'utf8').catch(() => '');
    const { success, data } = BookmarkSchema.safeParse(parsed(text));
    return success && data.receiver === this.#receiver ? data : undefined;
  }

  /** Never throws: without it, a resumed run begins with its own steps. Not synced: a power cut costs as much. */
  async write(position: Position): Promise<void> {
    const temporary = `${this.#file}.tmp`;
    try {
      await writeFile(temporary, `${JSON.stringify({ receiver: this.#receiver, ...position })}\n`);
      await rename(temporary, this.#file);
    } catch {}
  }
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
