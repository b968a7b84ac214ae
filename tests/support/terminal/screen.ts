const ESCAPE = '\x1b';

/**
 * A terminal that keeps what was written to it, as a person could scroll through it. It knows what Lockstep writes: text,
 * CR, LF, erase to the end of the screen, wrapping on and off, colours; and the size that tests/support/terminal/pseudo-terminal.py puts in. On a
 * new size it wraps long lines anew, as most do.
 */
export class Screen {
  columns: number;
  /** As written, however they are wrapped. */
  readonly #lines: string[][] = [[]];
  #cursor = { line: 0, offset: 0 };
  #wraps = true;

  constructor(columns: number) {
    this.columns = columns;
  }

  write(text: string): void {
    for (let i = 0; i < text.length; ) {
      const char = text[i] as string;
      if (char === ESCAPE) {
        const end = endOfSequence(text, i);
        this.#obey(text.slice(i + 1, end));
        i = end;
      } else {
        if (char === '\r') this.#cursor.offset = this.#rowStart();
        else if (char === '\n') this.#nextLine();
        else this.#put(char);
        i += 1;
      }
    }
  }

  resize(columns: number): void {
    this.columns = columns;
  }

  /** The logical lines, without trailing blanks. */
  get lines(): string[] {
    return this.#lines.map((line) => line.join('').trimEnd());
  }

  /** The last line's rows on the screen. */
  get rowsOfLast(): number {
    return Math.max(1, Math.ceil((this.lines.at(-1)?.length ?? 0) / this.columns));
  }

  /** Rest position: the start of a logical line, with wrapping on. */
  get rests(): boolean {
    return this.#cursor.offset === 0 && this.#cursor.line === this.#lines.length - 1 && this.#wraps;
  }

  #put(char: string): void {
    const line = this.#lines[this.#cursor.line] as string[];
    // Past the last column of a row that was filled without wrapping: the terminal stays in that column.
    const pending = this.#cursor.offset > 0 && this.#cursor.offset % this.columns === 0;
    if (pending && !this.#wraps) this.#cursor.offset -= 1;
    line[this.#cursor.offset] = char;
    this.#cursor.offset += 1;
  }

  #nextLine(): void {
    this.#cursor = { line: this.#cursor.line + 1, offset: 0 };
    if (this.#cursor.line === this.#lines.length) this.#lines.push([]);
  }

  #rowStart(): number {
    const { offset } = this.#cursor;
    const row = Math.floor((offset === 0 ? 0 : offset - 1) / this.columns);
    return row * this.columns;
  }

  #obey(sequence: string): void {
    if (sequence === '[J') {
      (this.#lines[this.#cursor.line] as string[]).length = this.#cursor.offset;
      this.#lines.length = this.#cursor.line + 1;
    } else if (sequence === '[?7l' || sequence === '[?7h') this.#wraps = sequence.endsWith('h');
    else if (sequence.endsWith('t')) this.resize(Number(sequence.slice(1, -1).split(';')[2]));
    else if (!sequence.endsWith('m')) throw new Error(`The screen doesn't know ESC ${sequence}.`);
  }
}

/** The index behind a control sequence, which ends at its first letter. */
function endOfSequence(text: string, start: number): number {
  let end = start + 2;
  while (!/[A-Za-z]/.test(text[end] ?? 'm')) end += 1;
  return end + 1;
}
