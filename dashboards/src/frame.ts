import {
  AnnotationQueryBuilder,
  DashboardBuilder,
  DashboardCursorSync,
  DashboardLinkBuilder,
  DashboardLinkType,
  DatasourceVariableBuilder,
  QueryVariableBuilder,
  VariableRefresh,
  VariableSort,
} from '@grafana/grafana-foundation-sdk/dashboard';
import { DATA_SOURCE, RUN, scraped } from './queries.ts';

const TAG = 'lockstep';

export interface Frame {
  readonly title: string;
  readonly uid: string;
  readonly description: string;
  /** Whether several runs can be shown together. */
  readonly runs: 'one' | 'many';
}

/** A dashboard of live runs with variables, annotations and the link to the others, without panels. */
export function frame({ title, uid, description, runs }: Frame): DashboardBuilder {
  return new DashboardBuilder(title)
    .uid(uid)
    .description(description)
    .tags([TAG])
    .editable()
    .timezone('browser')
    .time({ from: 'now-15m', to: 'now' })
    .refresh('5s')
    .tooltip(DashboardCursorSync.Crosshair)
    .link(linkToOthers())
    .variables([dataSource(), job(), instance(), run(runs), id(runs)])
    .annotations([joins(), leaves(), crashes(), starts(), checkpoints()]);
}

function linkToOthers(): DashboardLinkBuilder {
  return new DashboardLinkBuilder('Lockstep')
    .type(DashboardLinkType.Dashboards)
    .tags([TAG])
    .tooltip("Lockstep's other dashboards, at the same time")
    .keepTime(true);
}

function dataSource(): DatasourceVariableBuilder {
  return new DatasourceVariableBuilder('datasource').label('Data source').type('prometheus');
}

const ALL = { selected: true, text: ['All'], value: ['$__all'] };

function queryVariable(name: string, label: string, query: string): QueryVariableBuilder {
  return new QueryVariableBuilder(name)
    .label(label)
    .datasource(DATA_SOURCE)
    .query(query)
    .refresh(VariableRefresh.OnTimeRangeChanged);
}

function job(): QueryVariableBuilder {
  return everything(queryVariable('job', 'Job', 'label_values(lockstep_run_info, job)'));
}

function instance(): QueryVariableBuilder {
  return everything(queryVariable('instance', 'Instance', 'label_values(lockstep_run_info{job=~"$job"}, instance)'));
}

/** Newest first: run directories are named by their time. */
function run(runs: Frame['runs']): QueryVariableBuilder {
  const variable = queryVariable('run', 'Run', 'label_values(lockstep_step, run)').sort(VariableSort.AlphabeticalDesc);
  return runs === 'many' ? everything(variable) : variable;
}

/** For runs of one name. Runs of earlier versions have none, so "All" takes an empty one too. */
function id(runs: Frame['runs']): QueryVariableBuilder {
  const variable = queryVariable('id', 'Id', 'label_values(lockstep_step{run=~"$run"}, id)');
  return runs === 'many' ? everything(variable, '.*') : variable;
}

function everything(variable: QueryVariableBuilder, value = '.+'): QueryVariableBuilder {
  return variable.multi(true).includeAll(true).allValue(value).current(ALL);
}

function annotation(name: string, color: string, expression: string, text: string): AnnotationQueryBuilder {
  return new AnnotationQueryBuilder()
    .name(name)
    .datasource(DATA_SOURCE)
    .enable(true)
    .iconColor(color)
    .expr(expression)
    .step('5s')
    .titleFormat(name)
    .textFormat(text);
}

/** Grafana marks where the value is above 0. */
function happened(by: string, counter: string, ...matchers: readonly string[]): string {
  return `sum by (${by}) (increase(${scraped(counter, ...matchers)}[$__rate_interval])) > 0`;
}

function joins(): AnnotationQueryBuilder {
  return annotation('Node joined', 'green', happened('run, id', 'lockstep_node_joins_total'), RUN);
}

function leaves(): AnnotationQueryBuilder {
  return annotation('Node left', 'blue', happened('run, id', 'lockstep_node_leaves_total', 'reason="left"'), RUN);
}

function crashes(): AnnotationQueryBuilder {
  const nodes = happened('run, id, reason', 'lockstep_node_leaves_total', 'reason!="left"');
  const threads = happened('run, id, node', 'lockstep_workers_lost_total');
  return annotation('Crash', 'red', `${nodes} or ${threads}`, `${RUN} {{node}} {{reason}}`);
}

/** The value is when it happened, in Unix milliseconds. */
function moments(name: string, color: string, gauge: string): AnnotationQueryBuilder {
  return annotation(name, color, `max by (run, id) (${scraped(gauge)}) * 1000`, RUN).useValueForTime(true);
}

function starts(): AnnotationQueryBuilder {
  return moments('Start or resume', 'purple', 'lockstep_start_timestamp_seconds');
}

/** Off at first: a fast run takes one every few seconds. */
function checkpoints(): AnnotationQueryBuilder {
  return moments('Checkpoint', 'yellow', 'lockstep_checkpoint_last_timestamp_seconds').enable(false);
}
