/** A whole WebSocket frame, or what isn't one. */
export interface Unit {
  readonly bytes: Buffer;
  readonly isFrame: boolean;
}

/** Cuts one direction of a connection, a stream of bytes, into its HTTP head and WebSocket frames (RFC 6455, section 5.2). */
export class FrameSplitter {
  #pending: Buffer = Buffer.alloc(0);
  #isUpgraded = false;

  /** Behind the HTTP head. */
  get isUpgraded(): boolean {
    return this.#isUpgraded;
  }

  /** Takes the next bytes. @returns what is complete now */
  push(chunk: Buffer): Unit[] {
    this.#pending = this.#pending.length === 0 ? chunk : Buffer.concat([this.#pending, chunk]);
    const units: Unit[] = [];
    if (!this.#isUpgraded) {
      const end = this.#pending.indexOf('\r\n\r\n');
      if (end < 0) return [];
      units.push({ bytes: this.#take(end + 4), isFrame: false });
      this.#isUpgraded = true;
    }
    for (let length = frameLength(this.#pending); length <= this.#pending.length; length = frameLength(this.#pending)) {
      units.push({ bytes: this.#take(length), isFrame: true });
    }
    return units;
  }

  /** The stream is over. @returns what was left */
  flush(): Buffer {
    return this.#take(this.#pending.length);
  }

  #take(length: number): Buffer {
    const bytes = this.#pending.subarray(0, length);
    this.#pending = this.#pending.subarray(length);
    return bytes;
  }
}

/** The length in bytes, the header included; infinite if too few bytes are there to read it. */
function frameLength(bytes: Buffer): number {
  if (bytes.length < 2) return Number.POSITIVE_INFINITY;
  const second = bytes[1] as number;
  const mask = second & 0x80 ? 4 : 0;
  const short = second & 0x7f;
  if (short < 126) return 2 + mask + short;
  const header = short === 126 ? 4 : 10;
  if (bytes.length < header) return Number.POSITIVE_INFINITY;
  return header + mask + (short === 126 ? bytes.readUInt16BE(2) : Number(bytes.readBigUInt64BE(2)));
}
