// lockstep receipt runs/first --sign key.pem --out first.receipt.json
import { findRun } from '../../coordinator/run/find.ts';
import { type OutputKind, outputFile } from '../../coordinator/run/output.ts';
import { makeReceipt } from '../../library/receipt/make.ts';
import { receiptText } from '../../library/receipt/signature.ts';
import { resolveReadConfig } from '../../shared/config/config.ts';
import { UsageError } from '../../shared/util/errors.ts';
import { callerPath } from '../../shared/util/paths.ts';
import { replaceFile } from '../../shared/util/replace-file.ts';
import { shownPath } from '../../shared/util/shown-path.ts';
import { warnOfReaders } from '../../shared/util/token.ts';
import { print } from '../print.ts';

/** A receipt that this command wrote. */
const RECEIPT: OutputKind = {
  title: 'a receipt of Lockstep',
  isOwn: (ends) => /^\{"config":\{.*"receipt":1,/s.test(ends.toString('latin1')),
};

/**
 * `lockstep receipt [RUN]`: writes what it takes for somebody else to reproduce a run.
 * @returns the exit code
 * @throws UsageError if the run has no result, its files contradict each other, or the key or the file can't be used
 */
export async function receipt(path: string | undefined, flags: Readonly<Record<string, unknown>>): Promise<number> {
  const { sign, out, ...others } = flags;
  const { env } = process;
  resolveReadConfig({ flags: others, env });
  const fileOf = (given: unknown): string | undefined =>
    given === undefined ? undefined : callerPath(String(given), env);
  const run = await findRun(path, env);
  const [keyFile, named] = [fileOf(sign), fileOf(out)];
  const inputs = keyFile === undefined ? [] : [keyFile];
  const file = named === undefined ? undefined : outputFile(named, { option: '--out', kind: RECEIPT, inputs });
  const text = receiptText(await makeReceipt(run, keyFile));
  // Only now is it known to be a private key.
  await warnOfReaders([keyFile], print);
  if (file === undefined) {
    process.stdout.write(text);
    return 0;
  }
  try {
    await replaceFile(file, Buffer.from(text));
  } catch (error) {
    throw new UsageError(`--out ${shownPath(file)}: it can't be written: ${(error as Error).message}.`, {
      cause: error,
    });
  }
  print(`Wrote ${shownPath(file)}: ${text.length} bytes.`);
  return 0;
}
