// lockstep diff runs/first runs/second        the first step at which two runs differ, and why
import { inspect } from 'node:util';
import {
  type Both,
  type Cause,
  type Comparison,
  causesOf,
  comparableFields,
  compareSteps,
  explains,
} from '../../coordinator/run/compare.ts';
import { stepsFile } from '../../coordinator/run/files.ts';
import { findRun } from '../../coordinator/run/find.ts';
import { type Manifest, readManifest } from '../../coordinator/run/manifest.ts';
import { dataAgain, resolveReadConfig } from '../../shared/config/config.ts';
import { commandLine, withOptions } from '../../shared/util/command-line.ts';
import { UsageError } from '../../shared/util/errors.ts';
import { shownPath, typedPath } from '../../shared/util/shown-path.ts';
import { alignedTable } from '../aligned-table.ts';
import { printJson, printLines } from '../print.ts';

const DIFFERENT = 1;
/** Digits of a digest that are printed. */
const SHORT_DIGEST = 12;

/**
 * `lockstep diff RUN RUN`: compares two runs step by step.
 * @returns the exit code: 1 if a step differs
 * @throws UsageError if one isn't a run or no step is in both logs, RunDirectoryError if one can't be read
 */
export async function diff(named: Both<string>, flags: Readonly<Record<string, unknown>>): Promise<number> {
  const { json } = resolveReadConfig({ flags, env: process.env });
  const paths = [await runAt(named[0]), await runAt(named[1])] as const;
  const manifests = [await readManifest(paths[0]), await readManifest(paths[1])] as const;
  const compared = [
    { log: stepsFile(paths[0]), manifest: manifests[0] },
    { log: stepsFile(paths[1]), manifest: manifests[1] },
  ] as const;
  const { lacking, ...comparison } = await compareSteps(compared, comparableFields(manifests));
  const { first, steps } = comparison;
  if (steps === 0 && first === undefined) {
    throw new UsageError(`${paths.map(shownPath).join(' and ')} have no step in common, so nothing can be compared.`);
  }
  const causes = causesOf(manifests);
  if (json) printJson({ same: first === undefined, ...comparison, causes });
  else {
    const isExplained = explains(causes, manifests);
    printLines(report({ paths, manifests, causes, isExplained, ...comparison, lacking }));
  }
  return first === undefined ? 0 : DIFFERENT;
}

function runAt(named: string): Promise<string> {
  return findRun(named, process.env);
}

interface Report extends Comparison {
  readonly paths: Both<string>;
  readonly manifests: Both<Manifest>;
  readonly causes: readonly Cause[];
  readonly isExplained: boolean;
}

function report({ paths, manifests, causes, isExplained, lacking, ...comparison }: Report): string[] {
  const { first, goesOn } = comparison;
  const lines: string[] = [];
  if (causes.length > 0) {
    const rows = causes.map((cause) => [cause.name, ...textsOf(cause.values)]);
    lines.push('What decides the bits differs:', ...table(rows), '');
  }
  lines.push(verdict(comparison, manifests));
  if (first !== undefined) {
    lines.push(...table(Object.entries(first.fields).map(([name, values]) => [name, ...textsOf(values)])));
    if (!isExplained) lines.push('', ...unexplainedText(paths, manifests));
  }
  for (const [i, count] of lacking.entries()) {
    if (count === 0) continue;
    lines.push(`The log of ${'AB'[i]} lacks ${counted(count)} that the other has; they weren't compared.`);
  }
  const isPlain = lines.length === 1 && goesOn === undefined;
  return isPlain ? lines : [`A  ${shownPath(paths[0])}`, `B  ${shownPath(paths[1])}`, '', ...lines];
}

function verdict({ steps, first, goesOn }: Omit<Comparison, 'lacking'>, manifests: Both<Manifest>): string {
  const isThinned = manifests.some(({ attempts }) => attempts.some(({ logEvery = 1 }) => logEvery > 1));
  const both = isThinned ? ' that both logs have' : '';
  const same = `The same for ${counted(steps)}${both}`;
  if (first !== undefined) {
    return `${steps === 0 ? 'The' : `${same}; the`} first difference is at step ${first.step}:`;
  }
  if (goesOn === undefined) return `The same bits for all ${counted(steps)}${both}.`;
  return `${same}; then only ${goesOn.run} continues, to step ${goesOn.step}.`;
}

/** Advice for two runs that should be the same. */
function unexplainedText(paths: Both<string>, manifests: Both<Manifest>): string[] {
  return [
    'Nothing that decides this step differs: one of them was computed wrongly, or its log was altered. Check each:',
    ...([0, 1] as const).map((i) => {
      const options = dataAgain(manifests[i].config);
      return `  ${commandLine(withOptions(`verify ${typedPath(paths[i])}`, options), process.env)}`;
    }),
  ];
}

function counted(steps: number): string {
  return steps === 1 ? '1 step' : `${steps} steps`;
}

/** @param rows a name and the values in A and B each */
function table(rows: readonly (readonly string[])[]): string[] {
  const lines = alignedTable([['', 'A', 'B'], ...rows], new Set());
  return lines.map((line) => `  ${line}`.trimEnd());
}

function textsOf(values: Both<unknown>): string[] {
  const [a, b] = [textOf(values[0]), textOf(values[1])] as const;
  const [shortA, shortB] = [shortened(a), shortened(b)];
  // An altered digest may differ in its last digits only.
  return shortA === shortB ? [a, b] : [shortA, shortB];
}

function textOf(value: unknown): string {
  if (value === undefined) return 'drawn from the seed';
  if (typeof value !== 'object' || value === null) return typeof value === 'string' ? value : inspect(value);
  const { sha256, name, lockstep, node } = value as Readonly<Record<string, string | undefined>>;
  return name === undefined ? `${sha256} (Lockstep ${lockstep}, Node ${node})` : `${name} ${sha256}`;
}

function shortened(text: string): string {
  return text.replace(/\b[0-9a-f]{64}\b/g, (digest) => digest.slice(0, SHORT_DIGEST));
}
