import { Transfer } from '../../shared/util/transfer.ts';
import { type CoordinatorMessage, MAX_PARTS_ASKED, PART_BYTES } from '../../shared/wire/messages.ts';
import { ProtocolError } from '../../shared/wire/protocol-error.ts';

/** Parts that are asked for at once when a connection begins. */
const FIRST_WINDOW = 2;
/** Milliseconds from the request to the part: below it more parts are asked for at once, above twice of it fewer. */
const AIM_MS = 1000;

/**
 * A data set on its way from the coordinator, over as many connections as that takes. A few parts are asked for at a time, about
 * as many as the link carries in a second, so that other messages get through beside them.
 */
export class Download {
  readonly #size: number;
  /** Allocated when the first connection begins: most nodes find the data set on their machine. */
  #bytes: Buffer = Buffer.alloc(0);
  readonly #parts: number;
  readonly #print: (line: string) => void;
  /** Parts that have come: all before this one. */
  #next = 0;
  #connections = 0;
  #ask: (part: number) => void = () => {};
  /** When the parts on their way were asked for. */
  #askedAt: number[] = [];
  #window = FIRST_WINDOW;
  #transfer: Transfer | undefined;

  /** @param size bytes of the whole data set */
  constructor(size: number, print: (line: string) => void) {
    this.#size = size;
    this.#parts = Math.ceil(size / PART_BYTES);
    this.#print = print;
  }

  /** What has come; all of it if it is complete. */
  get bytes(): Uint8Array {
    return this.#bytes.subarray(0, this.#next * PART_BYTES);
  }

  get isComplete(): boolean {
    return this.#next === this.#parts;
  }

  /** Parts of it came over different connections, perhaps from different coordinators. */
  get isPieced(): boolean {
    return this.#connections > 1;
  }

  /** Goes on over a new connection. @param ask sends a request for a part */
  begin(ask: (part: number) => void): void {
    if (this.#bytes.length === 0) this.#bytes = Buffer.alloc(this.#size);
    this.#connections++;
    this.#ask = ask;
    this.#askedAt = [];
    this.#window = FIRST_WINDOW;
    this.#transfer = new Transfer({
      total: this.#size,
      begin: this.bytes.length,
      print: (progress) => this.#print(`Receiving the data set from the coordinator: ${progress}.`),
    });
    this.#askForMore();
  }

  /** @throws ProtocolError if it isn't the part that is due, or has another size */
  take({ part, of, body }: CoordinatorMessage<'data'>): void {
    const begin = part * PART_BYTES;
    const size = Math.min(PART_BYTES, this.#size - begin);
    const askedAt = this.#askedAt.shift();
    if (askedAt === undefined || part !== this.#next || of !== this.#parts || body.length !== size) {
      throw new ProtocolError(`The coordinator sent part ${part} of ${of} of the data, of ${body.length} bytes.`, {
        closeCode: 'unexpected',
      });
    }
    this.#bytes.set(body, begin);
    this.#next++;
    const took = performance.now() - askedAt;
    if (took < AIM_MS) this.#window = Math.min(MAX_PARTS_ASKED, this.#window + 1);
    else if (took > 2 * AIM_MS) this.#window = Math.max(1, this.#window - 1);
    this.#transfer?.reach(this.bytes.length);
    this.#askForMore();
  }

  #askForMore(): void {
    while (this.#askedAt.length < this.#window && this.#next + this.#askedAt.length < this.#parts) {
      this.#ask(this.#next + this.#askedAt.length);
      this.#askedAt.push(performance.now());
    }
  }
}
