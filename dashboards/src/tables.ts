import * as common from '@grafana/grafana-foundation-sdk/common';
import type { DynamicConfigValue, ValueMapping } from '@grafana/grafana-foundation-sdk/dashboard';
import { MappingType } from '@grafana/grafana-foundation-sdk/dashboard';
import { PanelBuilder as StateTimelinePanel } from '@grafana/grafana-foundation-sdk/statetimeline';
import { PanelBuilder as TablePanel } from '@grafana/grafana-foundation-sdk/table';
import { GRAPH_HEIGHT, type Panel } from './panels.ts';
import { type Curve, DATA_SOURCE, rangeQuery, refIds, tableQuery } from './queries.ts';

/** The name and the color of each value. */
export type States = Readonly<Record<number, readonly [name: string, color: string]>>;

function mapping(states: States): ValueMapping {
  const options = Object.entries(states).map(([value, [text, color]], index) => [value, { text, color, index }]);
  return { type: MappingType.ValueToText, options: Object.fromEntries(options) };
}

/** By heading of a column. */
type OfColumns<T> = Readonly<Record<string, T>>;

interface Table extends Panel {
  /** By heading: an expression of the values now, all with one label in common. */
  readonly values: OfColumns<string>;
  readonly hidden?: readonly string[];
  readonly units?: OfColumns<string>;
  readonly decimals?: OfColumns<number>;
  readonly states?: OfColumns<States>;
  /** Ratios that are drawn as bars. */
  readonly bars?: readonly string[];
  readonly links?: OfColumns<{ readonly title: string; readonly url: string }>;
  /** Headings of columns that are labels. */
  readonly renames?: OfColumns<string>;
}

/** A row for each label set, joined by the labels that the expressions have in common. */
export function table({ title, description, unit, columns, values, hidden = [], ...more }: Table): TablePanel {
  const panel = new TablePanel()
    .title(title)
    .description(description)
    .datasource(DATA_SOURCE)
    .span(columns)
    .height(GRAPH_HEIGHT)
    .unit(unit);
  const next = refIds();
  const named = Object.entries(values).map(([heading, expression]) => ({ heading, expression, refId: next() }));
  for (const { expression, refId } of named) panel.withTarget(tableQuery(expression, refId));
  for (const [heading, properties] of overridesOf(more)) panel.overrideByName(heading, properties);
  // One query's column is `Value`, those of several have the names of their queries.
  const columnOf = (refId: string): string => (named.length === 1 ? 'Value' : `Value #${refId}`);
  const renames = Object.fromEntries(named.map(({ refId, heading }) => [columnOf(refId), heading]));
  const excluded = Object.fromEntries(['Time', ...hidden].map((name) => [name, true]));
  const renameByName = { ...renames, ...more.renames };
  return panel.transformations([
    { id: 'merge', options: {} },
    { id: 'organize', options: { excludeByName: excluded, indexByName: {}, renameByName } },
  ]);
}

function overridesOf({ units, decimals, states, bars = [], links }: Partial<Table>): [string, DynamicConfigValue[]][] {
  const single = (id: string, of: OfColumns<unknown> = {}): [string, DynamicConfigValue[]][] =>
    Object.entries(of).map(([heading, value]) => [heading, [{ id, value }]]);
  const asText = { type: common.TableCellDisplayMode.ColorText };
  const asBar = { type: common.TableCellDisplayMode.Gauge, mode: common.BarGaugeDisplayMode.Basic };
  return [
    ...single('unit', units),
    ...single('decimals', decimals),
    ...Object.entries(states ?? {}).map(([heading, each]): [string, DynamicConfigValue[]] => [
      heading,
      [
        { id: 'mappings', value: [mapping(each)] },
        { id: 'custom.cellOptions', value: asText },
      ],
    ]),
    ...bars.map((heading): [string, DynamicConfigValue[]] => [
      heading,
      [
        { id: 'custom.cellOptions', value: asBar },
        { id: 'min', value: 0 },
        { id: 'max', value: 1 },
      ],
    ]),
    ...Object.entries(links ?? {}).map(([heading, link]): [string, DynamicConfigValue[]] => [
      heading,
      [{ id: 'links', value: [link] }],
    ]),
  ];
}

interface StatesPanel extends Panel {
  readonly names: States;
}

/** A bar for each series, whose value is a state, over time. */
export function states({ title, description, unit, columns, names }: StatesPanel, of: Curve): StateTimelinePanel {
  return new StateTimelinePanel()
    .title(title)
    .description(description)
    .datasource(DATA_SOURCE)
    .span(columns)
    .height(GRAPH_HEIGHT)
    .unit(unit)
    .mappings([mapping(names)])
    .showValue(common.VisibilityMode.Never)
    .mergeValues(true)
    .rowHeight(0.8)
    .withTarget(rangeQuery(of, 'A'));
}
