import type { Dashboard } from '@grafana/grafana-foundation-sdk/dashboard';
import { RowBuilder } from '@grafana/grafana-foundation-sdk/dashboard';
import { frame } from './frame.ts';
import { graph, stat } from './panels.ts';
import { alerts, alertsSince, curve, either, perRun, RUN, rate, scraped, stepCurve } from './queries.ts';
import { states, table } from './tables.ts';
import { PROGRESS, SAMPLES_A_SECOND, STEPS_A_SECOND, TIME_LEFT } from './training-speed.ts';

/** All runs, whether they work, and which alerts there are: Grafana's home. */
export function runsDashboard(): Dashboard {
  const dashboard = frame({
    title: 'Lockstep / Runs',
    uid: 'lockstep-runs',
    description: 'All training runs of the time shown: their state, progress and speed, and the alerts of them.',
    runs: 'many',
  });
  const rows = {
    Now: now(),
    'All runs': [runs()],
    Alerts: [alertList(), alertsOverTime()],
    Curves: curves(),
  };
  for (const [title, panels] of Object.entries(rows)) {
    dashboard.withRow(new RowBuilder(title));
    for (const panel of panels) dashboard.withPanel(panel);
  }
  return dashboard.build();
}

function now() {
  return [
    stat(
      {
        title: 'Alerts',
        description: 'Alerts that fire now; those that wait for their time to pass are in the list below only.',
        unit: 'none',
        columns: 6,
        levels: ['green', [1, 'red']],
        sparkline: true,
      },
      curve(`count(${alerts('alertstate="firing"')}) or vector(0)`, 'alerts'),
    ),
    stat(
      {
        title: 'Runs that train',
        description: 'Runs that do steps now, as Prometheus sees them.',
        unit: 'none',
        columns: 6,
        sparkline: true,
      },
      curve(`count(${STEPS_A_SECOND} > 0) or vector(0)`, 'runs'),
    ),
    stat(
      {
        title: 'Workers',
        description: 'Threads that are ready to compute, those of all runs and nodes together.',
        unit: 'none',
        columns: 6,
        sparkline: true,
      },
      curve(`sum(${scraped('lockstep_workers', 'state="ready"')})`, 'workers'),
    ),
    stat(
      {
        title: 'Throughput of all runs',
        description: 'Training samples used a second, those of all runs together.',
        unit: 'short',
        columns: 6,
        decimals: 1,
        sparkline: true,
      },
      curve(`sum(${rate('lockstep_samples_total')})`, 'samples'),
    ),
  ];
}

const inRange = (name: string): string => `max by (run, id) (max_over_time(${name}[$__range]))`;
const STEP = inRange(either('lockstep_step'));
const ITERATIONS = inRange(scraped('lockstep_iterations'));

/** Names of the values of `STATE`. */
const STATES = { 0: ['gone', 'red'], 1: ['waits', 'orange'], 2: ['trains', 'green'], 3: ['done', 'blue'] } as const;
const STATE = [
  `(${STEP} >= on (run, id) ${ITERATIONS}) * 0 + 3`,
  `((${STEPS_A_SECOND} > 0) and on (run, id) ${scraped('lockstep_step')}) * 0 + 2`,
  `max by (run, id) (${scraped('lockstep_step')}) * 0 + 1`,
  `${STEP} * 0`,
].join(' or ');

function runs() {
  return table({
    title: 'Runs',
    description:
      'Each run that was there in the time shown; a click on its name leads to its curves. State: it trains, waits (for workers or a disk), is done, or is ' +
      'gone before its end. Without --remote-write a run may seem to be gone, since its last steps came after the last scrape.',
    unit: 'none',
    columns: 24,
    values: {
      State: STATE,
      Step: STEP,
      'Steps to do': ITERATIONS,
      Progress: `${STEP} / on (run, id) ${ITERATIONS}`,
      'Samples a second': SAMPLES_A_SECOND,
      'Time left': TIME_LEFT,
      'Test accuracy': `max by (run, id) (last_over_time(${either('lockstep_test_accuracy_ratio')}[$__range]))`,
      'Last checkpoint': `time() - max by (run, id) (${scraped('lockstep_checkpoint_last_timestamp_seconds')})`,
    },
    units: {
      Progress: 'percentunit',
      'Samples a second': 'short',
      'Time left': 'dtdurations',
      'Test accuracy': 'percentunit',
      'Last checkpoint': 'dtdurations',
    },
    decimals: { 'Samples a second': 1, 'Time left': 0, 'Test accuracy': 2, 'Last checkpoint': 0, Progress: 1 },
    states: { State: STATES },
    bars: ['Progress'],
    links: { run: { title: 'Curves of this run', url: RUN_URL } },
  });
}

/** Parameters that Grafana fills in: the run with its id, the data source and the time shown. */
const PARAMETERS =
  // biome-ignore lint/suspicious/noTemplateCurlyInString: they are Grafana's.
  'var-run=${__value.raw:percentencode}&var-id=${__data.fields.id}&${datasource:queryparam}&${__url_time_range}';
const RUN_URL = `/d/lockstep-training?${PARAMETERS}`;

const ALERT_STATES = { 1: ['pending', 'orange'], 2: ['firing', 'red'] } as const;

/** The panel "alert list" shows what Grafana manages; these rules are Prometheus'. */
function alertList() {
  return table({
    title: 'Alert list',
    description:
      'Alerts of Prometheus that fire, or wait for their time to pass; empty if all is well. docs/monitoring.md says what each means, and Alertmanager whom it told.',
    unit: 'none',
    columns: 12,
    values: {
      Since:
        `max by (alertname, alertstate, severity, run, id, instance) (${alerts()} ` +
        `* ignoring (alertstate) group_left () ${alertsSince()}) * 1000`,
    },
    // Of this column alone: Grafana would read the others' texts as dates too.
    units: { Since: 'dateTimeAsIso' },
    renames: { alertname: 'Alert', alertstate: 'State', severity: 'Severity' },
  });
}

function alertsOverTime() {
  const inState = (state: string): string =>
    `max by (alertname, run, id, instance) (${alerts(`alertstate="${state}"`)})`;
  return states(
    {
      title: 'Alerts over time',
      description: 'When each alert waited for its time to pass, and when it fired. Empty if all was well.',
      unit: 'none',
      columns: 12,
      names: ALERT_STATES,
    },
    curve(`${inState('firing')} * 2 or ${inState('pending')}`, `{{alertname}} ${RUN} {{instance}}`),
  );
}

function curves() {
  return [
    graph(
      {
        title: 'Training loss',
        description: 'Mean loss of the steps between two points, on a logarithmic scale; it should fall.',
        unit: 'none',
        columns: 12,
        log: true,
      },
      stepCurve(perRun('lockstep_train_loss', 'avg'), RUN),
    ),
    graph(
      {
        title: 'Test accuracy',
        description: 'Share of the test images classified right, at each evaluation; it should rise.',
        unit: 'percentunit',
        columns: 12,
        max: 1,
        points: /./,
      },
      stepCurve(perRun('lockstep_test_accuracy_ratio', 'last'), RUN),
    ),
    graph(
      {
        title: 'Progress',
        description: 'Share of the steps that each run is to do which are done.',
        unit: 'percentunit',
        columns: 12,
        min: 0,
        max: 1,
      },
      curve(PROGRESS, RUN),
    ),
    graph(
      {
        title: 'Samples a second',
        description: 'Training samples that each run uses a second, evaluations and checkpoints included.',
        unit: 'short',
        columns: 12,
        min: 0,
      },
      curve(SAMPLES_A_SECOND, RUN),
    ),
  ];
}
