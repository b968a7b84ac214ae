// Runs on a cluster from their manifests to their end, and what is seen of them.
import assert from 'node:assert/strict';
import { cpSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { lockstep, manifestOf, stepsOf } from '../../support/program.ts';
import type { Manifests } from '../render.ts';
import { makeCertificate } from '../tls.ts';
import type { KubernetesCluster } from './cluster.ts';
import { Training } from './training.ts';

export type Options = Readonly<Record<string, string | number>>;

/** A patch: the run waits as long as no worker is there. */
const COORDINATES_ONLY = `  - target: { labelSelector: app.kubernetes.io/component=coordinator }
    patch: |-
      - { op: replace, path: /spec/template/spec/containers/0/resources/requests/cpu, value: "0" }
`;

export interface Place {
  readonly cluster: KubernetesCluster;
  readonly manifests: Manifests;
  /** The folder that is the pods' volume, with the digits in cache/mnist. */
  readonly volume: string;
  /** For files of the test itself. */
  readonly folder: string;
  readonly say: (line: string) => void;
}

/** Sets the options of an overlay's run, with requests that fit this machine, and applies it. */
export function apply({ cluster, manifests, volume }: Place, name: string, options: Options): Training {
  const overlay = `overlays/${name}`;
  manifests.setOptions(overlay, { ...options, DATA: '/cache/mnist' });
  manifests.replace(`${overlay}/kustomization.yaml`, /cpu: "\d"/g, 'cpu: 100m');
  cluster.kubectl(['apply', '--kustomize', manifests.path(overlay)]);
  return new Training(cluster, volume, name);
}

/** Trains in one process, and compares. @returns the hash of both */
export function assertSame({ volume, folder }: Place, { run, name }: Training, options: Options): string {
  const quiet = join(folder, `quiet-${name}`);
  const flags = Object.entries(options).map(([option, value]) => {
    return `--${option.toLowerCase().replaceAll('_', '-')}=${value}`;
  });
  const data = [`--data=${join(volume, 'cache', 'mnist')}`, '--metrics-port=off'];
  const { status, stderr } = lockstep(['train', ...flags, ...data, `--out=${quiet}`]);
  assert.equal(status, 0, stderr);
  assert.deepEqual(stepsOf(run), stepsOf(quiet));
  const [hash, expected] = [run, quiet].map(
    (each) => (manifestOf(each).result as { weightsSha256: string }).weightsSha256,
  );
  assert.ok(hash !== undefined);
  assert.equal(hash, expected);
  return hash;
}

/** TLS, workers that end with the run, on another node than the coordinator; it does what Kueue would: it starts the job. */
export async function secondRun(place: Place, spot: string): Promise<void> {
  const { cluster, manifests, say } = place;
  const options = { ITERATIONS: 2000, BATCH: 512, SEED: 2 };
  manifests.replace('overlays/second/kustomization.yaml', /value: 4 /g, 'value: 2 ');
  manifests.replace('overlays/second/kustomization.yaml', 'patches:\n', `patches:\n${COORDINATES_ONLY}`);
  cluster.kubectl(['label', 'node', spot, 'karpenter.sh/capacity-type=spot']);
  const files = makeCertificate(place.folder, 'lockstep-second').map((file) => `--from-file=${file}`);
  cluster.kubectl(['--namespace', 'training', 'create', 'secret', 'generic', 'lockstep-tls', ...files]);
  const training = apply(place, 'second', options);
  const workers = await training.until('the workers wait', () => {
    const running = training.pods('worker').filter(({ status }) => status.phase === 'Running');
    return running.length === 2 && running;
  });
  assert.ok(workers.every(({ spec }) => spec.nodeName === spot));
  assert.deepEqual(training.pods('coordinator'), [], 'it waits until Kueue starts it');
  const job = 'lockstep-coordinator-second';
  training.kubectl('patch', 'job', job, '--patch', '{"spec": {"suspend": false}}');
  const ends = [await training.ended('coordinator'), await training.ended('worker')];
  const ofJob = ['--selector', `batch.kubernetes.io/job-name=${job}`];
  assert.notEqual(training.kubectl('get', 'pods', ...ofJob, '-o', 'jsonpath={.items[*].spec.nodeName}'), spot);
  assert.match(training.kubectl('logs', `job/${job}`), /wss:[\s\S]* joined/);
  say(`| a run with TLS ends | ${ends[0]}, its workers' job ${ends[1]} | |`);
  say(`the bits of one process: ${assertSame(place, training, options)}`);
}

/** Options that are refused: exit code 2, at which the job fails for good. */
export async function refusedRun(place: Place): Promise<void> {
  const { manifests, say } = place;
  cpSync(manifests.path('overlays/first'), manifests.path('overlays/refused'), { recursive: true });
  manifests.replace('overlays/refused/kustomization.yaml', 'nameSuffix: -first', 'nameSuffix: -refused');
  manifests.replace('overlays/refused/kustomization.yaml', 'instance: first', 'instance: refused');
  const training = apply(place, 'refused', { BATCH: 7 });
  say(`| an option is refused (exit code 2) | ${await training.ended('coordinator')} | |`);
  training.kubectl('delete', '--kustomize', manifests.path('overlays/refused'));
}

/** Reads what a run has left, as docs/kubernetes.md says. */
export async function readFiles({ manifests, folder, say }: Place, training: Training): Promise<void> {
  training.kubectl('apply', '--filename', manifests.path('files.yaml'));
  training.kubectl('wait', '--for=condition=Ready', 'pod/lockstep-files', '--timeout=120s');
  const program = ['exec', 'lockstep-files', '--', 'node', '/opt/lockstep/dist/cli/main.js'];
  say(training.kubectl(...program, 'runs'));
  training.kubectl(...program, 'report', `runs/${training.name}`, '--data', '/cache/mnist');
  const report = join(folder, 'report.html');
  training.kubectl('cp', `lockstep-files:runs/${training.name}/report.html`, report);
  assert.match(readFileSync(report, 'utf8'), /<!doctype html>/i);
  training.kubectl('delete', 'pod', 'lockstep-files');
}
