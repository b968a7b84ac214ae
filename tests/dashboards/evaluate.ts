// What Grafana does with an expression: fills in its variables, then asks Prometheus.
import type { Prometheus, Series } from '../support/prometheus-server.ts';
import type { Query, Variable } from './read.ts';

/** The time that is shown. */
export interface Span {
  /** Unix seconds. */
  readonly start: number;
  readonly end: number;
}

export interface Watched {
  readonly prometheus: Prometheus;
  readonly run: string;
  /** Of runs of that name; undefined: of all. */
  readonly id?: string;
  readonly scrapeSeconds: number;
  readonly span: Span;
}

/** A point a scrape. */
export function filled(expression: string, { run, id = '.*', scrapeSeconds, span }: Watched): string {
  const values: Readonly<Record<string, string>> = {
    $__rate_interval: `${4 * scrapeSeconds}s`,
    $__interval: `${scrapeSeconds}s`,
    $__range: `${Math.ceil(span.end - span.start)}s`,
    $job: '.+',
    $instance: '.+',
    $run: run,
    $id: id,
  };
  return expression.replaceAll(/\$\w+/g, (name) => {
    const value = values[name];
    if (value === undefined) throw new Error(`${name} in ${expression} is no variable of the dashboards.`);
    return value;
  });
}

const FALLBACK = / or \(.* unless on \(run, id\) lockstep_step\{[^}]*\}\)/;

/** What falls back on what was scraped is two queries: one for a run with --remote-write, one for a run without. */
export function variantsOf(query: Query): readonly Query[] {
  const { where, expression } = query;
  if (!FALLBACK.test(expression)) return [query];
  return [
    { ...query, where: `${where}, every step`, expression: expression.replace(FALLBACK, '') },
    { ...query, where: `${where}, scraped`, expression: expression.replaceAll('attempt!=""', 'attempt="none"') },
  ];
}

/** @throws where the expression errs */
export async function seriesOf({ expression, instant }: Query, watched: Watched): Promise<readonly Series[]> {
  const { prometheus, scrapeSeconds, span } = watched;
  const query = filled(expression, watched);
  if (instant) return await prometheus.query(query, span.end);
  const range = { start: String(span.start), end: String(span.end), step: String(scrapeSeconds) };
  const data = await prometheus.get(`/api/v1/query_range?${new URLSearchParams({ query, ...range })}`);
  return (data as { result: readonly Series[] }).result;
}

/** @throws where the expression errs */
export async function hasData(query: Query, watched: Watched): Promise<boolean> {
  return (await seriesOf(query, watched)).length > 0;
}

/** What the variable offers. @throws where its query isn't label_values */
export async function optionsOf({ query }: Variable, watched: Watched): Promise<readonly string[]> {
  const [, series, label] = /^label_values\((.+), (\w+)\)$/.exec(query) ?? [];
  if (series === undefined) throw new Error(`Expected label_values(series, label), but got ${query}.`);
  const match = new URLSearchParams({ 'match[]': filled(series, watched) });
  return (await watched.prometheus.get(`/api/v1/label/${label}/values?${match}`)) as string[];
}
