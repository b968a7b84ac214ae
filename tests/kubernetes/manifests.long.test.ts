// What kustomize makes of deploy/kubernetes, held against the schemas of Kubernetes and the operators: tools/kubernetes/checks.sh
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { before, describe, it } from 'node:test';
import { resolveTrainConfig } from '#src/shared/config/config.js';
import { ruleFaults, schemaFaults, skip } from './checks.ts';
import { flagsOf, type Manifest, manifestsOf } from './manifests.ts';
import { choicesOutside, danglingReferences } from './references.ts';
import { COMPONENTS, KUBERNETES, OVERLAYS, render } from './render.ts';

/** Autoscalers scale a Deployment. */
const EXCLUSIVE = ['autoscaling', 'worker-job'];
const TOGETHER = EXCLUSIVE.map((name) => COMPONENTS.filter((each) => each === name || !EXCLUSIVE.includes(each)));
/** What `kubectl apply` keeps of an object, beside the object, is limited. */
const MAX_APPLIED_BYTES = 262_144;

function textOf(file: string): string {
  return readFileSync(join(KUBERNETES, file), 'utf8');
}

/** The rendered overlay of a run, without the objects of its namespace. */
function checkRun(text: string, namespace: readonly string[]): void {
  assert.deepEqual(schemaFaults(text), []);
  const manifests = manifestsOf(text);
  assert.deepEqual(danglingReferences(manifests, [...namespace, 'Secret lockstep-tls']), []);
  const coordinator = manifests.find(({ metadata }) => metadata.name.startsWith('lockstep-coordinator')) as Manifest;
  const [{ args, envFrom }] = coordinator.spec.template.spec.containers;
  const variables = manifests.find(({ kind, metadata }) => {
    return kind === 'ConfigMap' && metadata.name === envFrom[0].configMapRef.name;
  }) as Manifest;
  const { unused } = resolveTrainConfig({ flags: flagsOf(args), env: variables.data });
  assert.deepEqual(unused, []);
}

describe('what kustomize makes of deploy/kubernetes', { skip }, () => {
  let namespace: string;
  let shared: readonly string[];
  before(() => {
    namespace = render('namespace');
    shared = manifestsOf(namespace).map(({ kind, metadata }) => `${kind} ${metadata.name}`);
  });

  it('namespace', () => assert.deepEqual(schemaFaults(namespace), []));

  for (const name of OVERLAYS.filter((each) => each !== 'monitoring')) {
    it(`overlays/${name}`, () => checkRun(render(`overlays/${name}`), shared));
  }

  for (const components of [...COMPONENTS.map((name) => [name]), ...TOGETHER]) {
    it(`overlays/first with ${components.join(', ')}`, () =>
      checkRun(render('overlays/first', { components }), shared));
  }

  it('two runs, neither of which chooses pods of the other', () => {
    const [first, second] = ['first', 'second'].map((name) => manifestsOf(render(`overlays/${name}`)));
    assert.deepEqual(choicesOutside(first ?? [], second ?? []), []);
    assert.deepEqual(choicesOutside(second ?? [], first ?? []), []);
  });

  it('what is applied by itself', () => {
    const text = textOf('files.yaml');
    assert.deepEqual(schemaFaults(text), []);
    assert.deepEqual(schemaFaults(textOf('namespace/certificate.yaml')), []);
    assert.deepEqual(danglingReferences(manifestsOf(text), shared), []);
  });

  it('overlays/monitoring, with dashboards for the sidecar, and the rules', () => {
    const text = render('overlays/monitoring');
    assert.deepEqual(schemaFaults(text), []);
    const manifests = manifestsOf(text);
    const runs = manifestsOf(render('overlays/first'));
    assert.deepEqual(danglingReferences([...manifests, ...runs], shared), []);
    const [{ metadata, data }] = manifests.filter(({ kind }) => kind === 'ConfigMap') as [Manifest];
    assert.equal(metadata.labels?.grafana_dashboard, '1');
    assert.ok(JSON.stringify(data).length < MAX_APPLIED_BYTES);
    for (const [name, dashboard] of Object.entries<string>(data)) assert.ok(JSON.parse(dashboard).uid, name);
    const rules = manifests.filter(({ kind }) => kind === 'PrometheusRule');
    assert.equal(rules.length, 2);
    for (const { spec } of rules) assert.equal(ruleFaults(spec), '');
  });
});

describe('the checks find', { skip }, () => {
  let first: string;
  before(() => {
    first = render('overlays/first');
  });

  /** What is found once a text, which must be there, is another one. */
  const faultsOf = (text: string, from: string, to: string): string => {
    assert.ok(text.includes(from), from);
    return schemaFaults(text.replace(from, to)).join('\n');
  };

  it('a misspelt field, of Kubernetes or of an operator', () => {
    assert.match(faultsOf(first, 'enableServiceLinks:', 'enableServiceLink:'), /^\w+ lockstep-.*'enableServiceLink'/);
    assert.match(faultsOf(textOf('namespace/certificate.yaml'), 'dnsNames:', 'dnsName:'), /^Certificate .*'dnsName'/);
    const monitoring = render('overlays/monitoring');
    assert.match(faultsOf(monitoring, 'interval: 5s', 'intervals: 5s'), /^PodMonitor lockstep: .*'intervals'/);
    assert.match(faultsOf(monitoring, ' record:', ' recorded:'), /^PrometheusRule lockstep-rules: .*'recorded'/);
  });

  it('a field that is there twice, a value of another type, and an unknown kind', () => {
    assert.match(faultsOf(first, 'clusterIP: None', 'clusterIP: None\n  clusterIP: None'), /already set/);
    assert.match(
      faultsOf(first, 'backoffLimit: 1000', 'backoffLimit: many'),
      /^Job lockstep-coordinator-first: .*integer/,
    );
    assert.match(faultsOf(first, 'kind: Deployment', 'kind: Deploiment'), /could not find schema for Deploiment/);
  });

  it('an expression that is none, and two rules that are the same', () => {
    const rule = { record: 'run:lockstep_steps:rate1m', expr: 'sum by (run) (lockstep_steps_total)' };
    const check = (...rules: readonly object[]): string => ruleFaults({ groups: [{ name: 'speed', rules }] });
    assert.equal(check(rule), '');
    assert.match(check({ ...rule, expr: 'sum by run (lockstep_steps_total)' }), /could not parse expression/);
    assert.match(check(rule, rule), /duplicate rule/);
  });

  it('a name and labels that nothing has, and labels that another run has', () => {
    const others = ['ServiceAccount lockstep', 'PersistentVolumeClaim lockstep-runs', 'Secret lockstep-metrics'];
    assert.deepEqual(danglingReferences(manifestsOf(first), others), []);
    const renamed = manifestsOf(first.replace('kind: ConfigMap', 'kind: Secret'));
    assert.deepEqual(danglingReferences(renamed, others), ['Job lockstep-coordinator-first: ConfigMap lockstep-first']);
    const selector = { 'app.kubernetes.io/component': 'trainer' };
    const changed = manifestsOf(first).map((each) =>
      each.kind === 'Service' ? { ...each, spec: { selector } } : each,
    );
    assert.deepEqual(danglingReferences(changed, others), [
      `Service lockstep-first: pods with ${JSON.stringify(selector)}`,
    ]);
    const ofAll = manifestsOf(first.replaceAll(/^ +app.kubernetes.io\/instance: first\n/gm, ''));
    assert.ok(choicesOutside(ofAll, manifestsOf(first)).includes('Service lockstep-first'));
  });
});
