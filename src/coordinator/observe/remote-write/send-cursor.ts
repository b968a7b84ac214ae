import { z } from 'zod';
import { readPlainFile } from '../../../shared/util/plain-file.ts';
import { type FileOperations, fileOperations, replaceFile } from '../../../shared/util/replace-file.ts';

const Step = z.int().nonnegative();

const PositionSchema = z.object({
  attempt: z.int().positive(),
  /** The last step of the attempt with a final answer. */
  answered: Step,
  /** The last step of the current request, if there is one: it may have been delivered without an answer. */
  asked: Step,
});

/** How far the samples of a run have been sent. */
export type Position = z.output<typeof PositionSchema>;

const SendCursorSchema = PositionSchema.extend({ receiver: z.string() });

const MAX_BYTES = 1 << 16;

/** After a power cut the file may be missing, as for a run that never had one. */
const UNSYNCED: FileOperations = { ...fileOperations, sync: async () => {}, syncDirectory: async () => {} };

/** Records in a file how far the samples have been sent, so that a run that is resumed after a crash sends the rest. */
export class SendCursor {
  readonly #file: string;
  readonly #receiver: string;

  /** @param receiver a position of another receiver is ignored */
  constructor(file: string, receiver: string) {
    this.#file = file;
    this.#receiver = receiver;
  }

  async read(): Promise<Position | undefined> {
    try {
      const found = SendCursorSchema.parse(JSON.parse(String(await readPlainFile(this.#file, MAX_BYTES))));
      return found.receiver === this.#receiver ? found : undefined;
    } catch {
      return undefined;
    }
  }

  /** Never throws: without the file, a resumed run begins with its own steps. */
  async write(position: Position): Promise<void> {
    const text = `${JSON.stringify({ receiver: this.#receiver, ...position })}\n`;
    await replaceFile(this.#file, Buffer.from(text), { files: UNSYNCED }).catch(() => {});
  }
}
