// npm run kubernetes                    a real cluster of two nodes, runs on it and what happens to them
// npm run kubernetes -- --stay          and leaves it up until Ctrl-C
// npm run kubernetes -- --image FILE    the project's image as a docker archive, instead of building it
//
// Linux on x86-64, root, Go 1.26, and Debian's containerd, runc, etcd-server and containernetworking-plugins, and what
// tools/container/image.sh needs. MNIST_DIR names the folder of the digits.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, mkdirSync, mkdtempSync } from 'node:fs';
import { homedir, tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { Manifests } from '../render.ts';
import { KubernetesCluster, removeFolder } from './cluster.ts';
import { EVENTS } from './events.ts';
import { apply, assertSame, type Place, readFiles, refusedRun, secondRun } from './runs.ts';

const NODES = ['node-1', 'node-2'];
/** Room for a run and its data, soon filled up. */
const VOLUME_SIZE = '256m';
const OPTIONS = { ITERATIONS: 6000, BATCH: 1024, CHECKPOINT_EVERY: 200, EVALUATE_EVERY: 1000 };
const BUILD = fileURLToPath(new URL('../../../../tools/kubernetes/build.sh', import.meta.url));
const IMAGE = fileURLToPath(new URL('../../../../tools/container/image.sh', import.meta.url));

const { values } = parseArgs({ options: { image: { type: 'string' }, stay: { type: 'boolean', default: false } } });
const began = performance.now();
const folder = mkdtempSync(join(tmpdir(), 'lockstep-kubernetes-'));
const volume = join(folder, 'volume');

function say(line: string): void {
  console.log(`${((performance.now() - began) / 1000).toFixed(0).padStart(4)} s  ${line}`);
}

function execute(command: string, args: readonly string[], env = process.env): void {
  assert.equal(spawnSync(command, args, { env, stdio: ['ignore', 'inherit', 'inherit'] }).status, 0, command);
}

/** What `kubectl apply` gets besides the manifests: a volume that both nodes have. */
function volumeManifest(): string {
  return JSON.stringify({
    apiVersion: 'v1',
    kind: 'PersistentVolume',
    metadata: { name: 'runs' },
    spec: {
      capacity: { storage: '10Gi' },
      accessModes: ['ReadWriteOnce'],
      local: { path: volume },
      nodeAffinity: {
        required: {
          nodeSelectorTerms: [{ matchExpressions: [{ key: 'kubernetes.io/hostname', operator: 'In', values: NODES }] }],
        },
      },
    },
  });
}

async function carryOut(cluster: KubernetesCluster): Promise<void> {
  const place: Place = { cluster, manifests: new Manifests(folder), volume, folder, say };
  await cluster.start(NODES);
  say(`the cluster is up: ${cluster.kubectl(['version']).replaceAll('\n', ', ')}`);
  cluster.kubectl(['apply', '--filename', '-'], volumeManifest());
  say(cluster.kubectl(['apply', '--kustomize', place.manifests.path('namespace')]));
  await secondRun(place, NODES[1] as string);
  await refusedRun(place);
  const training = apply(place, 'first', OPTIONS);
  await training.workers(2);
  const scene = { cluster, training, volume, overlay: place.manifests.path('overlays/first') };
  for (const { name, carryOut: carryOutEvent } of EVENTS) {
    training.mark();
    const seen = await carryOutEvent(scene);
    say(`| ${name} | ${seen} | ${training.longestPause().toFixed(1)} s |`);
  }
  say(`the run ends: ${await training.ended('coordinator')}`);
  await readFiles(place, training);
  say(`the bits of one process: ${assertSame(place, training, OPTIONS)}`);
}

const { MNIST_DIR, XDG_CACHE_HOME = join(homedir(), '.cache') } = process.env;
assert.ok(MNIST_DIR !== undefined, 'MNIST_DIR: expected the folder of the digits');
const programs = join(XDG_CACHE_HOME, 'lockstep', 'kubernetes');
execute(BUILD, [programs]);
for (const name of [volume, join(folder, 'cluster')]) mkdirSync(name);
execute('mount', ['-t', 'tmpfs', '-o', `size=${VOLUME_SIZE}`, 'tmpfs', volume]);
const image = values.image === undefined ? join(folder, 'lockstep.tar') : resolve(values.image);
if (values.image === undefined) execute(IMAGE, [], { ...process.env, IMAGE_ARCHIVE: image });
const cluster = new KubernetesCluster(join(folder, 'cluster'), {
  kubernetes: join(programs, 'kubernetes'),
  coredns: join(programs, 'coredns'),
  images: [image],
});
try {
  cpSync(MNIST_DIR, join(volume, 'cache', 'mnist'), { recursive: true });
  const interrupted = once(process, 'SIGINT');
  const end = await Promise.race([carryOut(cluster), interrupted]);
  if (end !== undefined) process.exitCode = 130;
  else if (values.stay) {
    say(`the cluster stays up until Ctrl-C: ${cluster.kubectlCommand}`);
    await interrupted;
  }
} finally {
  await cluster.stop();
  execute('umount', [volume]);
  removeFolder(folder);
}
