// lockstep token --out token      makes a secret for a coordinator and its nodes, which only its owner can read
import { outputFile } from '../../coordinator/run/output.ts';
import { UsageError } from '../../shared/util/errors.ts';
import { callerPath } from '../../shared/util/paths.ts';
import { replaceFile } from '../../shared/util/replace-file.ts';
import { shownPath } from '../../shared/util/shown-path.ts';
import { newToken } from '../../shared/util/token.ts';
import { print, printLines } from '../print.ts';

const OWNER_ONLY = 0o600;

/**
 * `lockstep token [--out FILE]`: prints a new token, or writes it into a new file.
 * @returns the exit code
 * @throws UsageError if the file exists or can't be written
 */
export async function token({ out }: { readonly out?: string }): Promise<number> {
  const text = newToken();
  if (out === undefined) {
    printLines([text]);
    return 0;
  }
  // Without a line feed, which no HTTP header may have: Prometheus sends a file or a Kubernetes Secret as it is.
  const file = outputFile(callerPath(out, process.env), { option: '--out' });
  await replaceFile(file, Buffer.from(text), { mode: OWNER_ONLY }).catch((error: Error) => {
    throw new UsageError(`--out ${shownPath(file)}: it can't be written: ${error.message}.`, { cause: error });
  });
  print(`Wrote ${shownPath(file)}, which only you can read. Copy it to each machine.`);
  return 0;
}
