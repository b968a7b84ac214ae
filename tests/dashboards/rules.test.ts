import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parse, parseAllDocuments } from 'yaml';
import { prometheusRules } from '../../dashboards/src/rules.ts';
import { kubernetesRules, textOf } from './read.ts';

interface Rule {
  readonly record?: string;
  readonly alert?: string;
  readonly expr: string;
  readonly labels?: Readonly<Record<string, string>>;
  readonly annotations?: Readonly<Record<string, string>>;
}

function rulesOf(file: string): readonly Rule[] {
  const { groups } = parse(textOf(`prometheus/${file}`)) as { groups: readonly { rules: readonly Rule[] }[] };
  return groups.flatMap(({ rules }) => rules);
}

test('recording rules are named level:metric:operations, and each has a case', () => {
  const cases = textOf('prometheus/rules.test.yaml');
  for (const { record = '' } of rulesOf('rules.yaml')) {
    assert.match(record, /^[a-z_]+:lockstep_[a-z_]+:[a-z0-9_]+$/);
    assert.ok(cases.includes(`expr: '${record}'`), record);
  }
});

test('each alert says how bad it is, what it is and what to do, and has a case where it fires', () => {
  const cases = textOf('prometheus/alerts.test.yaml');
  for (const { alert = '', labels, annotations } of rulesOf('alerts.yaml')) {
    assert.match(alert, /^Lockstep[A-Z]\w+$/);
    assert.match(labels?.severity ?? '', /^(critical|warning)$/, alert);
    assert.ok((annotations?.summary ?? '').length > 20, alert);
    assert.ok((annotations?.description ?? '').length > 100, alert);
    const fires =
      cases.includes(`alertname="${alert}",alertstate="firing",severity`) || cases.includes(`alertname: ${alert}\n`);
    assert.ok(fires, alert);
  }
});

test('the Prometheus Operator is given the same groups, by a file that is what the generator makes', () => {
  const text = kubernetesRules();
  assert.ok(text === prometheusRules(), 'deploy/kubernetes/overlays/monitoring/rules.yaml: npm run dashboards');
  const objects = parseAllDocuments(text).map((document) => document.toJS());
  assert.deepEqual(
    objects.map(({ kind, metadata }) => `${kind} ${metadata.name}`),
    ['PrometheusRule lockstep-rules', 'PrometheusRule lockstep-alerts'],
  );
  const files = ['rules', 'alerts'].map((name) => parse(textOf(`prometheus/${name}.yaml`)));
  assert.deepEqual(
    objects.map(({ spec }) => spec),
    files,
  );
});
