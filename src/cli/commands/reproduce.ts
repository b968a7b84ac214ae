// lockstep reproduce runs/first                                trains it again, and compares everything
// lockstep reproduce first.receipt.json --validate             checks a receipt against itself
// lockstep reproduce first.receipt.json --steps 200 --with runs/first
import { stat } from 'node:fs/promises';
import { findRun, namedPath } from '../../coordinator/run/find.ts';
import {
  type ReceiptCheck,
  type ReceiptOptions,
  type ReproduceOptions,
  reproduceReceipt,
  reproduceRun,
  validateReceipt,
} from '../../library/reproduce.ts';
import { resolveReadConfig } from '../../shared/config/config.ts';
import { flagOf } from '../../shared/config/schema.ts';
import { readSources } from '../../shared/config/sources.ts';
import { UsageError } from '../../shared/util/errors.ts';
import { callerPath } from '../../shared/util/paths.ts';
import { shownPath } from '../../shared/util/shown-path.ts';
import { printJson, printLines } from '../print.ts';
import { Terminal } from '../terminal/terminal.ts';
import { parseWhole } from '../whole-number.ts';
import { verificationText } from './verify.ts';

/** The options of a receipt alone. */
const OF_RECEIPT = ['validate', 'with', 'key'];

/**
 * `lockstep reproduce [RUN|RECEIPT]`: trains again, and compares.
 * @returns the exit code: 1 if anything differs
 * @throws UsageError if this build or this data set isn't the run's, or it is neither a run nor a receipt
 */
export async function reproduce(path: string | undefined, options: Readonly<Record<string, unknown>>): Promise<number> {
  const { steps: wanted, validate, with: other, key, ...flags } = options;
  const { env } = process;
  const { data, kernel, reading, json } = resolveReadConfig({ flags, env });
  const { workers: given } = readSources({ flags, env }, ['workers']);
  const terminal = new Terminal({ stream: process.stderr, env, now: () => performance.now() });
  const common: ReproduceOptions = {
    steps: stepCount(wanted),
    workers: typeof given?.value === 'number' ? given.value : undefined,
    ...{ kernel, data, reading, env },
    print: (line) => terminal.print(line),
    show: (text) => terminal.showText(text),
  };
  const named = path === undefined ? undefined : callerPath(path, env);
  if (named === undefined || !(await isFile(named))) {
    const misplaced = OF_RECEIPT.find((name) => options[name] !== undefined);
    if (misplaced !== undefined)
      throw new UsageError(`${flagOf(misplaced)} is for a receipt. Name its file, or leave it out.`);
    const { workers, ...found } = await reproduceRun(await findRun(path, env), common);
    if (json) printJson(found);
    else printLines(verificationText(found, workers));
    return found.same ? 0 : 1;
  }
  if (validate === true && wanted !== undefined)
    throw new UsageError('--steps is for computing, and --validate computes nothing. Leave one of them out.');
  const fileOf = (value: unknown): string | undefined =>
    value === undefined ? undefined : callerPath(String(value), env);
  const receipt: ReceiptOptions = { file: named, key: fileOf(key), with: await runOrFile(other, env) };
  const found = await (validate === true ? validateReceipt(receipt) : reproduceReceipt({ ...common, ...receipt }));
  if (json) printJson(found);
  else printLines(receiptLines(found));
  return found.same ? 0 : 1;
}

/** What --with names, a run or a checkpoint. */
async function runOrFile(named: unknown, env: NodeJS.ProcessEnv): Promise<string | undefined> {
  if (named === undefined) return undefined;
  return (await namedPath(String(named), env)) ?? findRun(undefined, env);
}

function isFile(path: string): Promise<boolean> {
  return stat(path).then(
    (found) => !found.isDirectory(),
    () => false,
  );
}

function stepCount(given: unknown): number | undefined {
  if (given === undefined) return undefined;
  const count = parseWhole(String(given), 1);
  if (count !== undefined) return count;
  throw new UsageError(`--steps: expected a whole number from 1, but got "${given}". For every step, leave it out.`);
}

export function receiptLines({
  receipt,
  same,
  contents,
  problems,
  signature,
  compared,
  recomputed,
}: ReceiptCheck): string[] {
  const { result, config, dataset } = contents;
  const { model } = config;
  const name = typeof model === 'string' ? model : String((model as { readonly name?: unknown }).name);
  const files = compared?.files;
  return [
    `receipt     ${shownPath(receipt)}`,
    `            ${name} on ${dataset}: ${number(result.steps)} steps, seed ${config.seed ?? 'not given'}, weights ${result.weightsSha256}`,
    ...(problems.length === 0
      ? ['itself      the same']
      : problems.map((problem) => `itself      DIFFERS: it ${problem}`)),
    `signature   ${signatureText(signature)}`,
    ...(compared === undefined ? [] : [`with        ${shownPath(compared.path)}`]),
    ...(compared?.differences ?? []).map(differenceLine),
    ...(files === undefined || files.same ? [] : ['  its files DIFFER among themselves: `verify` says where']),
    ...(compared !== undefined && compared.differences.length === 0 ? ['  the same'] : []),
    ...(recomputed === undefined
      ? []
      : [
          `recomputed  steps ${number(recomputed.from + 1)} to ${number(recomputed.to)}, with ${recomputed.workers} worker${recomputed.workers === 1 ? '' : 's'}`,
          ...recomputed.differences.map(differenceLine),
          ...(recomputed.differences.length === 0 ? ['  the same'] : []),
        ]),
    same ? verdict(recomputed !== undefined) : 'The receipt is NOT of what was found here.',
  ];
}

function verdict(isComputed: boolean): string {
  return isComputed
    ? 'All that was compared is the same, bit for bit.'
    : 'All that was compared is the same. Nothing was computed again.';
}

function signatureText({ isSigned, same, key, problem }: ReceiptCheck['signature']): string {
  if (!same) return `DIFFERS: ${problem}`;
  return isSigned ? `by ${key}` : 'none';
}

function differenceLine({ field, receipt, found }: { field: string; receipt: unknown; found: unknown }): string {
  return `  DIFFERS: ${field} is ${receipt ?? 'missing'}, but here ${found ?? 'missing'}`;
}

function number(value: number): string {
  return value.toLocaleString('en-US');
}
