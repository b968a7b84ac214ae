import * as common from '@grafana/grafana-foundation-sdk/common';
import type { DataTransformerConfig, Threshold } from '@grafana/grafana-foundation-sdk/dashboard';
import { ThresholdsConfigBuilder, ThresholdsMode } from '@grafana/grafana-foundation-sdk/dashboard';
import * as heatmap from '@grafana/grafana-foundation-sdk/heatmap';
import { PanelBuilder as StatPanel } from '@grafana/grafana-foundation-sdk/stat';
import { PanelBuilder as TimeSeriesPanel } from '@grafana/grafana-foundation-sdk/timeseries';
import * as xychart from '@grafana/grafana-foundation-sdk/xychart';
import { type Curve, DATA_SOURCE, heatmapQuery, rangeQuery, refIds, stepTableQuery } from './queries.ts';

export interface Panel {
  readonly title: string;
  /** For someone who hasn't trained a network yet. */
  readonly description: string;
  /** Grafana's name of the unit; ratios are percentunit. */
  readonly unit: string;
  /** Width in columns, of which there are 24. */
  readonly columns: number;
}

const STAT_HEIGHT = 4;
export const GRAPH_HEIGHT = 8;

/** Colors from a value on; the first one is the color below all values. */
export type Levels = readonly [below: string, ...(readonly [from: number, color: string])[]];

function thresholds([below, ...above]: Levels): ThresholdsConfigBuilder {
  const steps: Threshold[] = [{ value: null, color: below }, ...above.map(([value, color]) => ({ value, color }))];
  return new ThresholdsConfigBuilder().mode(ThresholdsMode.Absolute).steps(steps);
}

interface Stat extends Panel {
  readonly levels?: Levels;
  readonly decimals?: number;
  /** The text if there is no value. */
  readonly none?: string;
  /** Whether it is as high as a graph. */
  readonly tall?: boolean;
  /** Whether its curve in the time shown is drawn behind it. */
  readonly sparkline?: boolean;
}

/** The last known value in the time shown, also of a run that has ended. */
export function stat({ title, description, unit, columns, levels = ['blue'], ...more }: Stat, of: Curve): StatPanel {
  const panel = new StatPanel()
    .title(title)
    .description(description)
    .datasource(DATA_SOURCE)
    .span(columns)
    .height(more.tall ? GRAPH_HEIGHT : STAT_HEIGHT)
    .unit(unit)
    .noValue(more.none ?? '–')
    .thresholds(thresholds(levels))
    .colorMode(common.BigValueColorMode.Value)
    .graphMode(more.sparkline ? common.BigValueGraphMode.Area : common.BigValueGraphMode.None)
    .reduceOptions(new common.ReduceDataOptionsBuilder().calcs(['lastNotNull']))
    .withTarget(rangeQuery(of, 'A'));
  return more.decimals === undefined ? panel : panel.decimals(more.decimals);
}

interface Graph extends Panel {
  readonly log?: boolean;
  readonly stack?: 'normal' | 'percent';
  readonly min?: number;
  readonly max?: number;
  /** Thresholds that are drawn as lines. */
  readonly levels?: Levels;
  /** Names of curves with few values, which are drawn as points too. */
  readonly points?: RegExp;
}

/** Curves over time. */
export function graph(
  { title, description, unit, columns, ...more }: Graph,
  ...curves: readonly Curve[]
): TimeSeriesPanel {
  const panel = new TimeSeriesPanel()
    .title(title)
    .description(description)
    .datasource(DATA_SOURCE)
    .span(columns)
    .height(GRAPH_HEIGHT)
    .unit(unit)
    .lineWidth(1)
    .fillOpacity(more.stack ? 30 : 0)
    .showPoints(common.VisibilityMode.Never)
    .spanNulls(true)
    .legend(legendTable())
    .tooltip(tooltip());
  const next = refIds();
  for (const each of curves) panel.withTarget(rangeQuery(each, next()));
  return drawn(panel, more);
}

function drawn(panel: TimeSeriesPanel, { log, stack, min, max, levels, points }: Partial<Graph>): TimeSeriesPanel {
  if (log) panel.scaleDistribution(logarithmic());
  if (stack) panel.stacking(new common.StackingConfigBuilder().mode(stack as common.StackingMode).group('A'));
  if (min !== undefined) panel.min(min);
  if (max !== undefined) panel.max(max);
  if (levels) {
    const style = new common.GraphThresholdsStyleConfigBuilder().mode(common.GraphThresholdsStyleMode.Dashed);
    panel.thresholds(thresholds(levels)).thresholdsStyle(style);
  }
  if (points) {
    panel.overrideByRegexp(String(points), [
      { id: 'custom.showPoints', value: 'always' },
      { id: 'custom.pointSize', value: 6 },
    ]);
  }
  return panel;
}

/** A row for each curve, with its last, largest and mean value in the time shown. */
function legendTable(): common.VizLegendOptionsBuilder {
  return legend().displayMode(common.LegendDisplayMode.Table).calcs(['lastNotNull', 'max', 'mean']);
}

function legend(): common.VizLegendOptionsBuilder {
  return new common.VizLegendOptionsBuilder()
    .showLegend(true)
    .displayMode(common.LegendDisplayMode.List)
    .placement(common.LegendPlacement.Bottom);
}

function tooltip(): common.VizTooltipOptionsBuilder {
  return new common.VizTooltipOptionsBuilder().mode(common.TooltipDisplayMode.Multi).sort(common.SortOrder.Descending);
}

function logarithmic(): common.ScaleDistributionConfigBuilder {
  return new common.ScaleDistributionConfigBuilder().type(common.ScaleDistribution.Log).log(10);
}

interface AgainstStep extends Panel {
  readonly log?: boolean;
  readonly max?: number;
  /** Expression of the step, by run and attempt. */
  readonly step: string;
  /** By name: expressions with the same labels. */
  readonly values: Readonly<Record<string, string>>;
}

/** Curves over the step: values at the same moments, joined by run and attempt. */
export function againstStep({ title, description, unit, columns, ...more }: AgainstStep): xychart.PanelBuilder {
  const next = refIds();
  const [x, ...columnsOfValues] = [more.step, ...Object.values(more.values)].map((expression) => ({
    refId: next(),
    expression,
  })) as [{ refId: string; expression: string }, ...{ refId: string; expression: string }[]];
  const panel = new xychart.PanelBuilder()
    .title(title)
    .description(description)
    .datasource(DATA_SOURCE)
    .span(columns)
    .height(GRAPH_HEIGHT + 2)
    .unit(unit)
    .mapping(xychart.SeriesMapping.Auto)
    .show(xychart.XYShowMode.PointsAndLines)
    .pointSize({ fixed: 2 })
    .lineWidth(1)
    .legend(legend())
    .tooltip(new common.VizTooltipOptionsBuilder().mode(common.TooltipDisplayMode.Single))
    .series([new xychart.XYSeriesConfigBuilder().x(byName(`Value #${x.refId}`))]);
  if (more.log) panel.scaleDistribution(logarithmic());
  if (more.max !== undefined) panel.max(more.max);
  panel.overrideByName(`Value #${x.refId}`, [
    { id: 'displayName', value: 'Step' },
    { id: 'unit', value: 'short' },
    { id: 'custom.axisLabel', value: 'Step' },
    { id: 'custom.scaleDistribution', value: { type: 'linear' } },
    { id: 'max', value: null },
  ]);
  const renames = Object.fromEntries(
    columnsOfValues.map(({ refId }, index) => [`Value #${refId}`, Object.keys(more.values)[index] as string]),
  );
  for (const { refId, expression } of [x, ...columnsOfValues]) panel.withTarget(stepTableQuery(expression, refId));
  return panel.transformations(stepTable(`Value #${x.refId}`, renames));
}

function byName(name: string) {
  return { matcher: { id: 'byName', options: name } };
}

/** One table of all values with its rows in the order of steps, then a frame for each attempt of a run. */
function stepTable(step: string, renames: Readonly<Record<string, string>>): DataTransformerConfig[] {
  return [
    { id: 'merge', options: {} },
    { id: 'sortBy', options: { fields: {}, sort: [{ field: step }] } },
    { id: 'organize', options: { excludeByName: {}, indexByName: {}, renameByName: renames } },
    {
      id: 'partitionByValues',
      options: { fields: ['run', 'id', 'attempt'], keepFields: false, naming: { asLabels: true } },
    },
  ];
}

/** The number of values in each bucket of a Prometheus histogram. */
export function buckets({ title, description, unit, columns }: Panel, expression: string): heatmap.PanelBuilder {
  const color = new heatmap.HeatmapColorOptionsBuilder()
    .mode(heatmap.HeatmapColorMode.Scheme)
    .scheme('Blues')
    .steps(32);
  return new heatmap.PanelBuilder()
    .title(title)
    .description(description)
    .datasource(DATA_SOURCE)
    .span(columns)
    .height(GRAPH_HEIGHT)
    .unit('short')
    .calculate(false)
    .color(color)
    .cellGap(0)
    .hideLegend()
    .yAxis(new heatmap.YAxisConfigBuilder().unit(unit))
    .withTarget(heatmapQuery(expression));
}
