import { type DestinationStream, destination, type Logger, multistream, pino, stdSerializers } from 'pino';
import { type OutputKind, outputFile } from '../../coordinator/run/output.ts';
import { UsageError } from '../../shared/util/errors.ts';
import type { Severity } from '../../shared/util/notice.ts';
import { printable } from '../../shared/util/printable.ts';
import { version } from '../../shared/util/version.ts';

/** The fields of a log line besides its message. */
export interface Entry {
  readonly level?: Severity | undefined;
  readonly [field: string]: unknown;
}

/** Fields that would hold a secret, at any of the depths that lines have. */
const SECRETS = ['token', 'authorization', 'password', 'secret'].flatMap((key) => [key, `*.${key}`, `*.*.${key}`]);

export interface LogOptions {
  readonly level: Severity | 'silent';
  /** Where lines are appended; undefined: to no file. */
  readonly file: string | undefined;
  /** Another target of the lines, as JSON; undefined: none. */
  readonly stream: DestinationStream | undefined;
  /** Called once if the file can't be written. */
  readonly onTrouble: (message: string) => void;
}

/** The log of a process: a line of JSON for each message, with the run, the step and the node if it has them. */
export class Log {
  /** Fields of every line from now on, such as run, step and node. */
  readonly context: Record<string, unknown> = {};
  readonly #logger: Logger;

  /** @throws UsageError if the file can't be opened */
  constructor({ level, file, stream, onTrouble }: LogOptions) {
    const streams = stream === undefined ? [] : [{ stream: plain(stream), level }];
    if (file !== undefined) streams.push({ stream: plain(fileStream(file, onTrouble)), level });
    this.#logger = pino(
      {
        level,
        base: { name: 'lockstep', version: version(), pid: process.pid },
        redact: { paths: SECRETS, censor: '[redacted]' },
        formatters: { level: (label) => ({ level: label }) },
        timestamp: () => `,"time":"${new Date().toISOString()}"`,
        serializers: { error: stdSerializers.err },
        mixin: () => ({ ...this.context }),
      },
      multistream(streams),
    );
  }

  /** Whether lines of this level are written. */
  takes(level: Severity): boolean {
    return this.#logger.isLevelEnabled(level);
  }

  write(message: string, { level = 'info', ...fields }: Entry = {}): void {
    this.#logger[level](fields, printable(message));
  }
}

/** JSON escapes some control characters; this replaces the others, which terminals obey too. */
function plain(stream: DestinationStream): DestinationStream {
  return { write: (line) => stream.write(`${printable(line.trimEnd())}\n`) };
}

/** A log, by which an earlier one is known. */
const LOG: OutputKind = {
  title: 'a log of Lockstep, to which lines could be appended',
  isOwn: (ends) => ends.indexOf('{"level":"') === 0,
};

/** Each line is written synchronously: a process that is killed has lost none. */
function fileStream(file: string, onTrouble: LogOptions['onTrouble']): DestinationStream {
  let stream: ReturnType<typeof destination>;
  try {
    stream = destination({
      dest: outputFile(file, { option: '--log-file', kind: LOG, appends: true }),
      append: true,
      sync: true,
    });
  } catch (error) {
    if (error instanceof UsageError) throw error;
    throw new UsageError(`--log-file: ${file} can't be written: ${(error as Error).message}. Name another file.`, {
      cause: error,
    });
  }
  stream.once('error', ({ message }: Error) =>
    onTrouble(`The log ${file} can't be written (${message}); the run continues.`),
  );
  stream.on('error', () => {});
  return stream;
}
