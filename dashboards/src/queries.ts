// PromQL over the variables that frame.ts declares. All series of a run have its name and its id, which tells runs of one name apart.
// /metrics has no label `attempt`; the series of --remote-write have that and no others, and a sample for every step.
import { DataqueryBuilder, PromQueryFormat } from '@grafana/grafana-foundation-sdk/prometheus';

export const DATA_SOURCE = { type: 'prometheus', uid: '$datasource' } as const;

/** How a legend names a run. */
export const RUN = '{{run}} {{id}}';

const OF_RUN = 'run=~"$run", id=~"$id"';

/** A series of /metrics. */
export function scraped(name: string, ...matchers: readonly string[]): string {
  return `${name}{${['job=~"$job"', 'instance=~"$instance"', OF_RUN, ...matchers].join(', ')}}`;
}

/** A series with a sample for every step. */
export function everyStep(name: string): string {
  return `${name}{${OF_RUN}, attempt!=""}`;
}

/** A series of both. */
export function either(name: string): string {
  return `${name}{${OF_RUN}}`;
}

/** Active alerts of our rules; those that others add may know no run. */
export function alerts(...matchers: readonly string[]): string {
  return `ALERTS${ofOurs(matchers)}`;
}

/** Since when each is active, in Unix seconds, with the same labels but the state. */
export function alertsSince(): string {
  return `ALERTS_FOR_STATE${ofOurs([])}`;
}

function ofOurs(matchers: readonly string[]): string {
  return `{${['alertname=~"Lockstep.+"', 'run=~"$run|"', 'id=~"$id|"', ...matchers].join(', ')}}`;
}

export function rate(name: string, ...matchers: readonly string[]): string {
  return `rate(${scraped(name, ...matchers)}[$__rate_interval])`;
}

/** The increase of a counter in the time shown. */
export function countInRange(name: string, ...matchers: readonly string[]): string {
  return `sum by (run, id) (increase(${scraped(name, ...matchers)}[$__range]))`;
}

type OverTime = 'avg' | 'max' | 'min' | 'last';

/**
 * A value over every step between two points of the graph; over the scrapes if a run has no series of every step.
 * The check for such series looks back five minutes, as Prometheus does for any instant, so a gap between steps doesn't end it.
 */
export function perRun(name: string, over: OverTime): string {
  return fallback({ name, over, by: 'run, id', scrapes: `max by (run, id) (${scraped(name)})` });
}

/** As `perRun`, for each attempt of a run: a resumed run repeats the steps after its checkpoint. */
export function perAttempt(name: string, over: OverTime): string {
  const scrapes = `label_replace(max by (run, id) (${scraped(name)}), "attempt", "scraped", "", "")`;
  return fallback({ name, over, by: 'run, id, attempt', scrapes });
}

interface Fallback {
  readonly name: string;
  readonly over: OverTime;
  readonly by: string;
  readonly scrapes: string;
}

function fallback({ name, over, by, scrapes }: Fallback): string {
  const steps = `${over === 'last' ? 'max' : over} by (${by}) (${over}_over_time(${everyStep(name)}[$__interval]))`;
  return `${steps} or (${scrapes} unless on (run, id) ${everyStep('lockstep_step')})`;
}

/** Finer than the scrape interval, so that a graph of a short time shows each step. */
const STEP_INTERVAL = '10ms';

export interface Curve {
  readonly expression: string;
  /** The name in the legend, with {{label}}. */
  readonly name: string;
  readonly everyStep?: boolean;
}

export function curve(expression: string, name: string): Curve {
  return { expression, name };
}

/** A curve of `perRun`. */
export function stepCurve(expression: string, name: string): Curve {
  return { expression, name, everyStep: true };
}

export function rangeQuery({ expression, name, everyStep }: Curve, refId: string): DataqueryBuilder {
  const query = new DataqueryBuilder().datasource(DATA_SOURCE).expr(expression).legendFormat(name).refId(refId).range();
  return everyStep ? query.interval(STEP_INTERVAL) : query;
}

/** A table over the points of the graph, with a column for each label. */
export function stepTableQuery(expression: string, refId: string): DataqueryBuilder {
  return rangeQuery({ expression, name: '__auto', everyStep: true }, refId).format(PromQueryFormat.Table);
}

/** A table of the current values. */
export function tableQuery(expression: string, refId: string): DataqueryBuilder {
  const query = new DataqueryBuilder().datasource(DATA_SOURCE).expr(expression).refId(refId);
  return query.instant().format(PromQueryFormat.Table);
}

export function heatmapQuery(expression: string): DataqueryBuilder {
  return rangeQuery(curve(expression, '{{le}}'), 'A').format(PromQueryFormat.Heatmap);
}

/** A, B, C … */
export function refIds(): () => string {
  let next = 'A'.charCodeAt(0);
  return () => String.fromCharCode(next++);
}
