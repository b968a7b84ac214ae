// The dashboards are what their sources say, and as Grafana's dashboard-linter asks for. (dashboards/grafana/.lint names what it must
// not ask for.)
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { parse } from 'yaml';
import { STEP_SERIES } from '#src/coordinator/observe/prometheus/step-series.js';
import { dashboardFiles } from '../../dashboards/src/files.ts';
import { DASHBOARDS, dashboardOf, queriesOf, shown, textOf, type Variable } from './read.ts';

const DATA_SOURCE = '$datasource';
const EVERY_STEP = new Set(STEP_SERIES.map(({ name }) => name));
const COLUMNS = 24;

test('the committed dashboards are the generated ones', () => {
  const generated = dashboardFiles();
  assert.deepEqual(Object.keys(generated), [...DASHBOARDS]);
  for (const [file, text] of Object.entries(generated)) {
    assert.ok(
      text === textOf(`grafana/${file}`),
      `dashboards/grafana/${file} is not what its source says: npm run dashboards`,
    );
  }
});

for (const file of DASHBOARDS) {
  const dashboard = dashboardOf(file);
  const variables = new Map(dashboard.templating.list.map((each) => [each.name, each]));

  describe(dashboard.title, () => {
    test('has a title, a description and a link to the others, and can be edited in Grafana', () => {
      assert.match(dashboard.title, /^Lockstep \/ \w+$/);
      assert.ok(dashboard.description.length > 40);
      assert.equal(dashboard.editable, true);
      assert.deepEqual(dashboard.tags, ['lockstep']);
      assert.deepEqual(
        dashboard.links.map(({ type, tags }) => [type, tags]),
        [['dashboards', ['lockstep']]],
      );
    });

    test('has the variables that the linter asks for', () => {
      const source = variables.get('datasource') as Variable;
      assert.deepEqual([source.type, source.query, source.label], ['datasource', 'prometheus', 'Data source']);
      for (const [name, label] of Object.entries({ job: 'Job', instance: 'Instance' })) {
        const { type, multi, allValue, ...rest } = variables.get(name) as Variable;
        assert.deepEqual([type, multi, allValue, rest.label], ['query', true, '.+', label]);
      }
      for (const { name, type, refresh, datasource } of variables.values()) {
        if (type !== 'query') continue;
        assert.equal(refresh, 2, `${name} is to be read again when the time changes`);
        assert.equal(datasource?.uid, DATA_SOURCE, name);
      }
    });

    test('every panel says what it shows, in which unit, from the chosen data source', () => {
      const panels = shown(dashboard);
      assert.equal(new Set(panels.map(({ title }) => title)).size, panels.length, 'titles are unique');
      for (const { title, description = '', targets = [], datasource, fieldConfig } of panels) {
        assert.ok(title);
        assert.match(description, /^[A-Z].{30,}\.$/s, title);
        assert.ok(fieldConfig?.defaults.unit, `${title} has a unit`);
        assert.ok(targets.length > 0, `${title} has a query`);
        for (const uid of [datasource, ...targets.map((each) => each.datasource)].map((each) => each?.uid)) {
          assert.equal(uid, DATA_SOURCE, title);
        }
      }
      for (const { name, datasource } of dashboard.annotations.list) assert.equal(datasource.uid, DATA_SOURCE, name);
    });

    test('curves have their last, largest and mean value in the legend, and some numbers a curve behind them', () => {
      const panels = shown(dashboard);
      for (const { title, options } of panels.filter(({ type }) => type === 'timeseries')) {
        assert.equal(options?.legend?.displayMode, 'table', title);
        assert.deepEqual(options?.legend?.calcs, ['lastNotNull', 'max', 'mean'], title);
      }
      assert.ok(panels.some(({ type, options }) => type === 'stat' && options?.graphMode === 'area'));
    });

    test('rates are taken over $__rate_interval, of counters only, which nothing else reads', () => {
      for (const { where, expression } of queriesOf(dashboard)) {
        for (const [, range] of expression.matchAll(/rate\([^[\]]*\[([^\]]*)\]/g)) {
          assert.equal(range, '$__rate_interval', where);
        }
        for (const [, range] of expression.matchAll(/\[([^\]]*)\]/g)) {
          assert.match(range as string, /^\$__(rate_interval|interval|range)$/, where);
        }
        for (const [selector] of expression.matchAll(/\w+_(total|bucket|sum)\{[^}]*\}/g)) {
          const [, before] = expression.split(selector)[0]?.match(/(\w+)\($/) ?? [];
          assert.ok(before === 'rate' || before === 'increase', `${where}: ${selector} in ${before}`);
        }
      }
    });

    test('what only /metrics has is chosen by job, instance and run; what has every step, by run; runs of one name by their id', () => {
      for (const { where, expression } of queriesOf(dashboard)) {
        for (const [selector, name, matchers] of expression.matchAll(/(\w+)\{([^}]*)\}/g)) {
          assert.match(matchers as string, /run=~"\$run(\|?)", id=~"\$id\1"/, `${where}: ${selector}`);
          if (/job=~"\$job", instance=~"\$instance"/.test(matchers as string)) continue;
          // Some alerts know a run and no instance.
          if (/^ALERTS/.test(name as string) && /run=~"\$run\|"/.test(matchers as string)) continue;
          assert.ok(EVERY_STEP.has(name as string), `${where}: ${selector}`);
        }
        // What is grouped or joined by the run's name alone would take runs of one name for one.
        assert.doesNotMatch(expression, /(by|on) \([^)]*\brun\b(?!, id)/, where);
      }
    });

    test('panels fill their rows of 24 columns and cover nothing', () => {
      const cells = new Set<string>();
      const ids = new Set<number>();
      for (const { id, title, gridPos } of dashboard.panels) {
        assert.ok(!ids.has(id), `${title}: id ${id} is taken`);
        ids.add(id);
        for (let row = 0; row < gridPos.h; row++) {
          for (let column = 0; column < gridPos.w; column++) {
            const cell = `${gridPos.y + row} ${gridPos.x + column}`;
            assert.ok(!cells.has(cell), `${title} covers another panel`);
            assert.ok(gridPos.x + column < COLUMNS, `${title} is within the grid`);
            cells.add(cell);
          }
        }
      }
      const rows = Math.max(...dashboard.panels.map(({ gridPos }) => gridPos.y + gridPos.h));
      assert.equal(cells.size, rows * COLUMNS, 'no hole in the grid');
    });
  });
}

test('a run in the table of all runs leads to its curves', () => {
  const [table] = shown(dashboardOf('runs.json')).filter(({ title }) => title === 'Runs');
  assert.match(
    JSON.stringify(table),
    /"url":"\/d\/lockstep-training\?var-run=\$\{__value\.raw:percentencode\}&var-id=\$\{__data\.fields\.id\}&/,
  );
  assert.equal(dashboardOf('training.json').uid, 'lockstep-training');
});

test('provisioning names Alertmanager, whose alerts Grafana shows', () => {
  const { datasources } = parse(textOf('grafana/provisioning/datasources/alertmanager.yaml'));
  assert.deepEqual(
    datasources.map(({ type, jsonData }: { type: string; jsonData: object }) => [type, jsonData]),
    [['alertmanager', { implementation: 'prometheus', handleGrafanaManagedAlerts: false }]],
  );
});

test('provisioning names a data source and the folder of the dashboards', () => {
  const { datasources } = parse(textOf('grafana/provisioning/datasources/prometheus.yaml'));
  assert.deepEqual(
    [datasources.length, datasources[0].type, datasources[0].uid],
    [1, 'prometheus', 'lockstep-prometheus'],
  );
  const { global } = parse(textOf('prometheus/prometheus.yaml'));
  assert.equal(datasources[0].jsonData.timeInterval, global.scrape_interval);
  const { providers } = parse(textOf('grafana/provisioning/dashboards/lockstep.yaml'));
  assert.deepEqual([providers.length, providers[0].type], [1, 'file']);
});

test('.lint excuses the panels that read what --remote-write sends, and no others, from asking for a job', () => {
  const { exclusions } = parse(textOf('grafana/.lint'), { merge: true });
  assert.deepEqual(exclusions['target-job-rule'], exclusions['target-instance-rule']);
  const excused = exclusions['target-job-rule'].entries.map((entry: Record<string, string>) => [
    entry.dashboard,
    entry.panel,
  ]);
  const reading = DASHBOARDS.map(dashboardOf).flatMap((dashboard) =>
    shown(dashboard)
      .filter(({ targets = [] }) => targets.some(({ expr }) => /\{run=~"\$run"|ALERTS/.test(expr)))
      .map(({ title }) => [dashboard.title, title]),
  );
  assert.deepEqual(excused.sort(), reading.sort());
});
