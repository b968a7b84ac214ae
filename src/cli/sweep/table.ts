import { flagOf } from '../../shared/config/schema.ts';
import type { Evaluation } from '../../shared/live/step-scalars.ts';
import { alignedTable } from '../aligned-table.ts';
import { testFigure } from '../progress/texts.ts';
import type { SweptRun } from './grid.ts';

/** The option over which figures are averaged. */
const REPEATED = 'seed';

/** A run that has ended. */
export interface SweptResult {
  readonly run: SweptRun;
  readonly evaluation: Evaluation;
}

/** Runs that differ in nothing but the seed. */
export interface Group {
  readonly values: Readonly<Record<string, string>>;
  readonly count: number;
  /** Of the test accuracy, of R² for numbers, or of the loss. */
  readonly mean: number;
  /** Sample standard deviation; undefined of one run. */
  readonly deviation?: number;
  readonly best: { readonly name: string; readonly path: string; readonly value: number };
}

/** @returns the groups, best mean first; runs without a figure are left out */
export function groupsOf(results: readonly SweptResult[]): Group[] {
  const groups = new Map<string, SweptResult[]>();
  for (const result of results) {
    if (measured(result.evaluation) === undefined) continue;
    const key = JSON.stringify(valuesWithoutSeed(result.run));
    groups.set(key, [...(groups.get(key) ?? []), result]);
  }
  const isLoss = results.some(({ evaluation }) => testFigure(evaluation)?.name === 'loss');
  const better = (a: number, b: number): number => (isLoss ? a - b : b - a);
  return [...groups.values()].map((members) => groupOf(members, better)).sort((a, b) => better(a.mean, b.mean));
}

function groupOf(members: readonly SweptResult[], better: (a: number, b: number) => number): Group {
  const ordered = [...members].sort((a, b) => better(figure(a), figure(b)));
  const [first] = ordered as [SweptResult];
  const figures = ordered.map(figure);
  const mean = figures.reduce((sum, value) => sum + value, 0) / figures.length;
  const squares = figures.reduce((sum, value) => sum + (value - mean) ** 2, 0);
  return {
    values: valuesWithoutSeed(first.run),
    count: figures.length,
    mean,
    ...(figures.length > 1 && { deviation: Math.sqrt(squares / (figures.length - 1)) }),
    best: { name: first.run.name, path: first.run.path, value: figure(first) },
  };
}

function valuesWithoutSeed({ values }: SweptRun): Record<string, string> {
  return Object.fromEntries(Object.entries(values).filter(([key]) => key !== REPEATED));
}

function measured({ testAccuracy, testR2, testLoss }: Evaluation): number | undefined {
  return testAccuracy ?? testR2 ?? testLoss;
}

function figure({ evaluation }: SweptResult): number {
  return measured(evaluation) as number;
}

/** The groups as a table for people, a line each. @param results of which the groups were made */
export function tableOf(groups: readonly Group[], [first]: readonly SweptResult[]): string[] {
  if (groups.length === 0 || first === undefined) return [];
  const isShare = first.evaluation.testAccuracy !== undefined;
  const text = (value: number | undefined): string => {
    if (value === undefined) return '-';
    return isShare ? `${(100 * value).toFixed(2)} %` : value.toFixed(4);
  };
  const options = Object.keys(groups[0]?.values ?? {});
  const measure = testFigure(first.evaluation)?.name ?? '';
  const figures = ['runs', `test ${measure}`, 'deviation', 'best'];
  const rows = groups.map(({ values, count, mean, deviation, best }) => [
    ...options.map((option) => values[option] ?? ''),
    String(count),
    text(mean),
    text(deviation),
    text(best.value),
    best.name,
  ]);
  return alignedTable([[...options.map((key) => flagOf(key).slice(2)), ...figures, 'run'], ...rows], new Set(figures));
}
