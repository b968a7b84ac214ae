import { type OutputKind, outputFile } from '../coordinator/run/output.ts';
import { UsageError } from '../shared/util/errors.ts';
import { callerPath } from '../shared/util/paths.ts';
import { replaceFile } from '../shared/util/replace-file.ts';
import { shownPath } from '../shared/util/shown-path.ts';
import { sendJsonTo } from './print.ts';

const FLAG = '--json';

/** One line of JSON without spaces around its first key, by which an earlier result is known; a step's line and a log's aren't one. */
const RESULT: OutputKind = {
  title: 'a result of Lockstep, which is one line of JSON',
  isOwn: (ends) => /^(\{"(?!(step|level)")[^"\n]*":\S|\[[\]{])[^\n]*\n$/.test(ends.toString('latin1')),
};

export interface JsonFile {
  /** The command line, with `--json` in the place of `--json=FILE`. */
  readonly args: readonly string[];
  /** Writes what was sent to the file, if a result was. @throws UsageError if it can't be written */
  close(): Promise<void>;
}

/**
 * Takes the file of `--json=FILE` out of a command line, and sends the command's JSON there instead of to standard output. The flag
 * alone takes no value, so that an argument can follow it.
 * @throws UsageError if no result may be written there
 */
export function takeJsonFile(args: readonly string[], env: NodeJS.ProcessEnv): JsonFile {
  const end = args.indexOf('--');
  const at = args.findIndex((word, i) => word.startsWith(`${FLAG}=`) && (end < 0 || i < end));
  if (at < 0) return { args, close: async () => {} };
  const name = (args[at] as string).slice(FLAG.length + 1);
  if (name === '' || name === 'true' || name === 'false') {
    throw new UsageError(`${FLAG}=${name}: expected a file. ${FLAG} alone prints the result on standard output.`);
  }
  const file = outputFile(callerPath(name, env), { option: FLAG, kind: RESULT });
  let text = '';
  sendJsonTo((piece) => {
    text += piece;
  });
  const close = async (): Promise<void> => {
    sendJsonTo(undefined);
    if (text !== '') await write(file, text);
  };
  return { args: args.with(at, FLAG), close };
}

async function write(file: string, text: string): Promise<void> {
  try {
    await replaceFile(file, Buffer.from(text));
  } catch (cause) {
    const { message } = cause as Error;
    throw new UsageError(`${FLAG}: ${shownPath(file)} can't be written: ${message}. The command's work is done.`, {
      cause,
    });
  }
}
