import { readFile } from 'node:fs/promises';
import { z } from 'zod';
import { type FileOperations, fileOperations, replaceFile } from '../../../shared/util/replace-file.ts';

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

const SendCursorSchema = PositionSchema.extend({ receiver: z.string() });

/** A power cut costs no more than having no bookmark. */
const UNSYNCED: FileOperations = { ...fileOperations, sync: async () => {}, syncDirectory: async () => {} };

/** Keeps in a file how far the samples have come, so that a run that goes on after a crash sends what was left. */
export class SendCursor {
  readonly #file: string;
  readonly #receiver: string;

  /** @param receiver of another one nothing is known */
  constructor(file: string, receiver: string) {
    this.#file = file;
    this.#receiver = receiver;
  }

  async read(): Promise<Position | undefined> {
    try {
      const found = SendCursorSchema.parse(JSON.parse(await readFile(this.#file, 'utf8')));
      return found.receiver === this.#receiver ? found : undefined;
    } catch {
      return undefined;
    }
  }

  /** Never throws: without it, a resumed run begins with its own steps. */
  async write(position: Position): Promise<void> {
    const text = `${JSON.stringify({ receiver: this.#receiver, ...position })}\n`;
    await replaceFile(this.#file, Buffer.from(text), UNSYNCED).catch(() => {});
  }
}
