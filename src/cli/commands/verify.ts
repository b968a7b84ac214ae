// lockstep verify                     three spans of the newest run, chosen at random
// lockstep verify runs/first --all    every step
import { findRun } from '../../coordinator/run/find.ts';
import type { RecomputedSpan, Verification } from '../../library/verify/result.ts';
import { verify as verifyRun } from '../../library/verify.ts';
import { resolveReadConfig } from '../../shared/config/config.ts';
import { readSources } from '../../shared/config/sources.ts';
import { UsageError } from '../../shared/util/errors.ts';
import { shownPath } from '../../shared/util/shown-path.ts';
import { printJson, printLines } from '../print.ts';
import { Terminal } from '../terminal/terminal.ts';
import { parseWhole } from '../whole-number.ts';

const DEFAULT_SPANS = 3;
/** What nothing else in a run's files repeats (docs/runs.md). */
const UNCHECKED = 'not checked: times, speeds, hosts, versions, paths';

/**
 * `lockstep verify [RUN]`: checks a run by computing parts of it again.
 * @returns the exit code: 1 if anything differs
 * @throws UsageError if this build or this data set isn't the run's
 */
export async function verify(named: string | undefined, options: Readonly<Record<string, unknown>>): Promise<number> {
  const { all, spans: wanted, ...flags } = options;
  const { env } = process;
  const sources = { flags, env };
  const { data, kernel, reading, json } = resolveReadConfig(sources);
  const { workers: given } = readSources(sources, ['workers']);
  const spans = all === true ? Number.POSITIVE_INFINITY : spanCount(wanted);
  const run = await findRun(named, env);
  const terminal = new Terminal({ stream: process.stderr, env, now: () => performance.now() });
  const { workers, ...verification } = await verifyRun({
    run,
    spans,
    workers: typeof given?.value === 'number' ? given.value : undefined,
    kernel,
    data,
    reading,
    env,
    print: (line) => terminal.print(line),
    show: (text) => terminal.showText(text),
  });
  if (json) printJson(verification);
  else printLines(verificationText(verification, workers));
  return verification.same ? 0 : 1;
}

function spanCount(given: unknown): number {
  if (given === undefined) return DEFAULT_SPANS;
  const count = parseWhole(String(given), 1);
  if (count !== undefined) return count;
  throw new UsageError(`--spans: expected a whole number from 1, but got "${given}". For every span: --all.`);
}

export function verificationText(verification: Verification, workers: number): string[] {
  const { run, same, steps, recomputed, chain, log, stated, damaged } = verification;
  const { spans } = recomputed;
  const percent = Math.floor(100 * recomputed.share);
  return [
    `run         ${shownPath(run)}`,
    ...(stated.length === 0 ? [`run.json    agrees with the log and the checkpoints; ${UNCHECKED}`] : []),
    ...stated.map(({ field, problem }) => `run.json    DIFFERS: ${field} ${problem}`),
    `log         ${log.problem === undefined ? logText(log) : `DIFFERS: ${log.problem}`}`,
    `hash chain  ${chainText(chain)}`,
    ...damaged.map(({ problem }) => `checkpoint  DAMAGED: ${problem}`),
    `recomputed  ${spans.length} of ${counted(recomputed.of, 'span')}, ${number(recomputed.steps)} of ` +
      `${counted(steps, 'step')} (${percent} %), with ${counted(workers, 'worker')}`,
    ...spans.map((span) => `  ${spanText(span)}`),
    same ? 'All that was compared is the same, bit for bit.' : 'The run is NOT what was computed here.',
  ];
}

function logText({ last, lines }: Verification['log']): string {
  const steps = counted(last, 'step');
  return lines === last
    ? `${steps}, none missing`
    : `${steps} in ${counted(lines, 'line')}, none missing of those that are due`;
}

function chainText({ links, first }: Verification['chain']): string {
  if (first === undefined) return `${counted(links, 'link')}, the same`;
  const place = first.step === undefined ? 'run.json has' : `at step ${number(first.step)} the log has`;
  return `DIFFERS: ${place} ${first.logged}, but its links make ${first.computed}`;
}

function spanText({ from, to, first }: RecomputedSpan): string {
  const steps = `steps ${number(from + 1)} to ${number(to)}`;
  if (first === undefined) return `${steps}: the same`;
  const { step, field, logged, computed } = first;
  return `${steps}: DIFFER first at step ${number(step)}: ${field} is ${logged ?? 'missing'}, computed ${computed ?? 'none'}`;
}

function counted(count: number, noun: string): string {
  return `${number(count)} ${noun}${count === 1 ? '' : 's'}`;
}

function number(value: number): string {
  return value.toLocaleString('en-US');
}
