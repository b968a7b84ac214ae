import { printable } from '../../shared/util/printable.ts';
import { reportFailure } from './failure.ts';
import type { Entry, Log } from './log.ts';

/** The part of a stream that a terminal needs; `process.stderr` is one. */
export interface ConsoleStream {
  readonly isTTY?: boolean;
  /** Follows the terminal's size; 0 if it isn't known. */
  readonly columns?: number;
  write(text: string): unknown;
  on(event: 'resize', listener: () => void): unknown;
  off(event: 'resize', listener: () => void): unknown;
}

export interface TerminalOptions {
  readonly stream: ConsoleStream;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Milliseconds on a clock that never goes back. */
  readonly now: () => number;
  /** Receives each line too, and its level decides which are printed; undefined: all are printed, as text alone. */
  readonly log?: Log;
  /** The lines are the log's alone, which writes to the stream itself. */
  readonly isLogged?: boolean;
}

/** How a status line may look. */
export interface Style {
  readonly colour: boolean;
  readonly unicode: boolean;
}

/** A status line of at most so many characters, all of them one column wide, colours aside. */
export type Painter = (columns: number, style: Style) => string;

const REDRAW_MS = 100;
const DEFAULT_COLUMNS = 80;
/** Erases from the cursor to the end of the screen. */
const ERASE = '\x1b[J';
/** A terminal that has just become narrower must cut a line, not wrap it. */
const NO_WRAP = '\x1b[?7l';
const WRAP = '\x1b[?7h';

/**
 * All output for the person who watches: lines that stay and, on a terminal, one status line below them. Nothing else may
 * write to the stream meanwhile.
 *
 * Between writes the cursor rests at the start of the status line. So erasing to the end of the screen removes the line
 * even if the terminal has wrapped it again since, and a process that is killed leaves a usable terminal: the
 * cursor is never hidden, no mode stays changed.
 */
export class Terminal {
  /** Status lines show; elsewhere (files, pipes, TERM=dumb) `show` does nothing. */
  readonly live: boolean;
  readonly #stream: ConsoleStream;
  readonly #now: () => number;
  readonly #style: Style;
  readonly #log: Log | undefined;
  readonly #isLogged: boolean;
  #painter: Painter | undefined;
  #lastDrawn = 0;
  readonly #redraw = (): void => this.#draw('');
  readonly #leave = (): void => this.clear();

  constructor({ stream, env, now, log, isLogged = false }: TerminalOptions) {
    this.#log = log;
    this.#isLogged = isLogged;
    this.#stream = stream;
    this.#now = now;
    this.live = !isLogged && stream.isTTY === true && env.TERM !== 'dumb';
    this.#style = { colour: !env.NO_COLOR, unicode: showsUnicode(stream, env) };
  }

  /** Adds fields to every line of the log from now on: run, step, node. */
  setContext(context: Readonly<Record<string, unknown>>): void {
    Object.assign(this.#log?.context ?? {}, context);
  }

  /** Writes a line that stays, without what would steer the terminal or begin another line. `entry`: the log's other fields. */
  print(text: string, entry: Entry = {}): void {
    const line = printable(text);
    this.#log?.write(line, entry);
    if (this.#isLogged || this.#log?.takes(entry.level ?? 'info') === false) return;
    if (this.#painter === undefined) this.#stream.write(`${line}\n`);
    else this.#draw(`${line}\n`);
  }

  /** Prints what ended the command. @returns the exit code */
  printFailure(error: unknown): number {
    const write = (line: string): void => this.print(line, { level: 'error' });
    return reportFailure(error, { debug: process.env.LOCKSTEP_DEBUG === '1', write });
  }

  /** Makes this the status line: drawn now or, if the last drawing is recent, with a later call. */
  show(painter: Painter): void {
    if (!this.live) return;
    const isNew = this.#painter === undefined;
    this.#painter = painter;
    if (isNew) {
      this.#stream.on('resize', this.#redraw);
      process.on('exit', this.#leave);
    } else if (this.#now() - this.#lastDrawn < REDRAW_MS) return;
    this.#draw('');
  }

  /** Makes this text, cut if it is too long, the status line; an empty one removes it. */
  showText(text: string): void {
    if (text === '') this.clear();
    else this.show((columns) => printable(text).slice(0, columns));
  }

  /** Removes the status line. */
  clear(): void {
    if (this.#painter === undefined) return;
    this.#painter = undefined;
    this.#stream.off('resize', this.#redraw);
    process.off('exit', this.#leave);
    this.#stream.write(`\r${ERASE}`);
  }

  /** One write, so that no terminal shows a half of it. */
  #draw(above: string): void {
    // The last column stays free: there, some terminals wrap early.
    const columns = (this.#stream.columns || DEFAULT_COLUMNS) - 1;
    const line = this.#painter?.(columns, this.#style) ?? '';
    const before = above === '' ? '\r' : `\r${ERASE}${above}`;
    this.#stream.write(`${before}${NO_WRAP}${line}${WRAP}${ERASE}\r`);
    this.#lastDrawn = this.#now();
  }
}

/** Whether a stream is a terminal that draws more than ASCII. What reads a pipe or a file may not. */
export function showsUnicode({ isTTY }: Pick<ConsoleStream, 'isTTY'>, env: TerminalOptions['env']): boolean {
  const { LC_ALL, LC_CTYPE, LANG, TERM } = env;
  if (isTTY !== true || TERM === 'linux') return false;
  const locale = LC_ALL || LC_CTYPE || LANG;
  // Containers set none, and the terminal around them is a modern one.
  return !locale || /utf-?8/i.test(locale);
}
