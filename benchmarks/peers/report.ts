// What the benchmark finds, as data and as tables.
import { count } from '#src/shared/util/figures.js';
import type { Contestant } from './contestant.ts';
import type { Checked } from './losses.ts';
import type { Measured, Peer } from './trainer.ts';

export interface Row {
  readonly peer: Peer;
  readonly name: string;
  readonly setting: string;
  readonly threads: number;
  /** Of a step, on the clock. */
  readonly milliseconds: { readonly median: number; readonly min: number; readonly max: number };
  /** How many times as fast the fastest Lockstep with as many workers is; undefined for Lockstep itself. */
  readonly times: number | undefined;
  readonly samplesPerSecond: number;
  /** The greatest relative difference of losses. */
  readonly lossDifference: number;
  /** Milliseconds a step, by each setting that was tried. */
  readonly tried: Readonly<Record<string, number>>;
  readonly unavailable: Readonly<Record<string, string>>;
  /** Of each round, a step. */
  readonly rounds: readonly Measured[];
}

export interface ModelResult {
  readonly model: string;
  readonly rows: readonly Row[];
}

export interface Report {
  readonly machine: string;
  readonly versions: Readonly<Record<string, string>>;
  readonly batch: number;
  readonly rounds: number;
  readonly models: readonly ModelResult[];
}

export interface Entry {
  readonly contestant: Contestant;
  readonly checked: Checked;
}

export function resultOf(model: string, batch: number, entries: readonly Entry[]): ModelResult {
  const own = entries.map(({ contestant }) => contestant).filter(({ trainer }) => trainer.peer === 'lockstep');
  const best = (threads: number): Contestant | undefined =>
    own.filter(({ trainer }) => trainer.threads === threads).sort((a, b) => a.median - b.median)[0];
  return { model, rows: entries.map((entry) => rowOf(entry, batch, best(entry.contestant.trainer.threads))) };
}

function rowOf({ contestant, checked }: Entry, batch: number, best: Contestant | undefined): Row {
  const { trainer, setting, rounds, tries, median } = contestant;
  const { peer, name, threads } = trainer;
  const seconds = rounds.map((round) => round.seconds);
  return {
    peer,
    name,
    setting,
    threads,
    milliseconds: { median: 1e3 * median, min: 1e3 * Math.min(...seconds), max: 1e3 * Math.max(...seconds) },
    times: peer === 'lockstep' || best === undefined ? undefined : contestant.ratioTo(best),
    samplesPerSecond: batch / median,
    lossDifference: checked.difference,
    tried: tries.size < 2 ? {} : Object.fromEntries([...tries].map(([name, value]) => [name, 1e3 * value])),
    unavailable: checked.unavailable,
    rounds,
  };
}

const COLUMNS = [
  'program',
  'setting',
  'threads',
  'ms a step',
  'lowest to highest',
  'samples/s',
  'Lockstep is',
] as const;

function cellsOf({ name, setting, threads, milliseconds, samplesPerSecond, times }: Row): string[] {
  const { median, min, max } = milliseconds;
  // Three digits.
  const digits = Math.max(0, 2 - Math.floor(Math.log10(median)));
  const fixed = (value: number): string => value.toFixed(digits);
  const ratio = times === undefined ? '' : `${times.toFixed(2)} times as fast`;
  const range = `${fixed(min)} to ${fixed(max)}`;
  return [name, setting, String(threads), fixed(median), range, count(samplesPerSecond), ratio];
}

/** By the number of threads. */
function ordered(rows: readonly Row[]): Row[] {
  return [...rows].sort((a, b) => a.threads - b.threads);
}

export function textTable({ model, rows }: ModelResult): string {
  const lines = [[model, ...COLUMNS.slice(1)], ...ordered(rows).map(cellsOf)];
  const widths = COLUMNS.map((_, i) => Math.max(...lines.map((line) => line[i]?.length ?? 0)));
  return lines
    .map((line) => line.map((cell, i) => (i < 2 ? cell.padEnd(widths[i] ?? 0) : cell.padStart(widths[i] ?? 0))))
    .map((cells) => cells.join('  ').trimEnd())
    .join('\n');
}

/** As docs/benchmarks.md has it. */
export function markdownTable({ model, rows }: ModelResult): string {
  const line = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`;
  const lines = [line([`\`${model}\``, ...COLUMNS.slice(1)]), line(COLUMNS.map(() => '---'))];
  return [...lines, ...ordered(rows).map((row) => line(cellsOf(row)))].join('\n').replaceAll('|  |', '| |');
}

/** What the figures hold for. */
export function heading({ machine, versions, batch, rounds }: Omit<Report, 'models'>): string {
  const programs = Object.entries(versions).map(([name, version]) => `${name} ${version}`);
  return `${machine}. ${programs.join(', ')}. Batch ${batch}, medians of ${rounds} rounds.`;
}

/** Settings that weren't the fastest, or that don't work here. */
export function settingsText({ name, threads, tried, unavailable }: Row): string[] {
  const texts = Object.entries(tried).map(([setting, ms]) => `${setting} ${ms.toFixed(2)} ms`);
  const broken = Object.entries(unavailable).map(
    ([setting, why]) => `${setting} doesn't work here (${why.split('\n')[0]})`,
  );
  const all = [...texts, ...broken];
  return all.length === 0 ? [] : [`${name}, ${threads} ${threads === 1 ? 'thread' : 'threads'}: ${all.join(', ')}`];
}
