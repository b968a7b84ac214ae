// What happens to a run on a cluster, one event after the other.
import assert from 'node:assert/strict';
import { rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { KubernetesCluster } from './cluster.ts';
import { kill, processesWith } from './node.ts';
import type { Attempt, Training } from './training.ts';

export interface Scene {
  readonly cluster: KubernetesCluster;
  readonly training: Training;
  /** The folder that is the pods' volume, of a limited size. */
  readonly volume: string;
  /** What the run was made of, for kubectl's --kustomize. */
  readonly overlay: string;
}

export interface Event {
  readonly name: string;
  /** Makes it happen, and waits until it is over. @returns what was seen */
  readonly carryOut: (scene: Scene) => Promise<string>;
}

export const EVENTS: readonly Event[] = [
  { name: 'a worker is deleted by force', carryOut: deleteWorker },
  { name: 'scaled from 2 workers to 3, then to 1', carryOut: scale },
  { name: 'workers are replaced (`kubectl rollout restart`)', carryOut: rollOut },
  { name: "the coordinator's pod is deleted", carryOut: deleteCoordinator },
  { name: "the coordinator's process is killed (SIGKILL)", carryOut: killCoordinator },
  { name: 'the volume is full for a while', carryOut: fillVolume },
  { name: 'the volume is full, and the coordinator is killed', carryOut: killWithFullVolume },
  { name: 'the job is suspended, and continued', carryOut: suspend },
  { name: "the coordinator's node is drained", carryOut: drain },
  { name: "the coordinator's node is lost", carryOut: loseNode },
];

async function deleteWorker({ training }: Scene): Promise<string> {
  const [worker] = await training.workers(2);
  training.kubectl('delete', 'pod', worker?.metadata.name as string, '--force', '--grace-period=0');
  await training.advances();
  await training.workers(2);
  return 'its work goes to others; a new one joins';
}

async function scale({ training }: Scene): Promise<string> {
  for (const count of [3, 1]) {
    training.kubectl('scale', 'deployment', `lockstep-worker-${training.name}`, `--replicas=${count}`);
    await training.workers(count);
    await training.advances();
  }
  return 'they join and leave';
}

async function rollOut({ training }: Scene): Promise<string> {
  const deployment = `deployment/lockstep-worker-${training.name}`;
  training.kubectl('scale', deployment, '--replicas=2');
  const before = await training.workers(2);
  training.kubectl('rollout', 'restart', deployment);
  await training.until('all workers are new', () => {
    const names = new Set(training.pods('worker').map(({ metadata: { name } }) => name));
    return before.every(({ metadata: { name } }) => !names.has(name));
  });
  await training.workers(2);
  await training.advances();
  return 'new ones join before old ones leave';
}

async function deleteCoordinator(scene: Scene): Promise<string> {
  const { training } = scene;
  return replaced(scene, async (name) => {
    training.kubectl('delete', 'pod', name);
  });
}

async function killCoordinator(scene: Scene): Promise<string> {
  return replaced(scene, async () => killProcess(scene));
}

async function fillVolume({ training, volume }: Scene): Promise<string> {
  const filler = join(volume, 'filler');
  const checkpoints = training.attempts.length;
  fill(filler);
  const { metadata } = await training.coordinator();
  await training.until('the coordinator reports it', () => /ENOSPC/.test(training.kubectl('logs', metadata.name)));
  rmSync(filler);
  await training.advances();
  assert.equal(training.attempts.length, checkpoints, 'it is still the same process');
  return 'reported; steps continue, and are logged when there is room again';
}

async function killWithFullVolume(scene: Scene): Promise<string> {
  const { training, volume } = scene;
  const filler = join(volume, 'filler');
  return replaced(scene, async (name) => {
    fill(filler);
    killProcess(scene);
    await training.until('a new pod fails', () => {
      const pods = JSON.parse(training.kubectl('get', 'pods', '-o', 'json')).items as {
        status: object;
        metadata: { name: string };
      }[];
      return pods.some(
        ({ status, metadata }) => metadata.name !== name && /"exitCode":75\b/.test(JSON.stringify(status)),
      );
    });
    rmSync(filler);
  });
}

async function suspend(scene: Scene): Promise<string> {
  const { training } = scene;
  const job = `lockstep-coordinator-${training.name}`;
  return replaced(scene, async () => {
    training.kubectl('patch', 'job', job, '--patch', '{"spec": {"suspend": true}}');
    await training.until('no coordinator is left', () => training.pods('coordinator').length === 0);
    training.kubectl('patch', 'job', job, '--patch', '{"spec": {"suspend": false}}');
  });
}

async function drain(scene: Scene): Promise<string> {
  const { training } = scene;
  let node = '';
  const seen = await replaced(scene, async () => {
    node = (await training.coordinator()).spec.nodeName as string;
    training.kubectl('drain', node, '--delete-emptydir-data', '--ignore-daemonsets');
  });
  assert.notEqual((await training.coordinator()).spec.nodeName, node);
  training.kubectl('uncordon', node);
  return `${seen}, on another node`;
}

async function loseNode(scene: Scene): Promise<string> {
  const { cluster, training } = scene;
  let noticed = 0;
  const seen = await replaced(scene, async (name) => {
    const node = (await training.coordinator()).spec.nodeName as string;
    const from = Date.now();
    cluster.cut(node);
    await training.until('its pods are to be deleted', () => {
      return training.pods('coordinator').some(({ metadata }) => metadata.name === name && metadata.deletionTimestamp);
    });
    noticed = Date.now() - from;
    training.kubectl('taint', 'nodes', node, 'node.kubernetes.io/out-of-service=nodeshutdown:NoExecute');
  });
  return `its pods are to be deleted after ${Math.round(noticed / 1000)} s; with the taint out-of-service ${seen}, on another node`;
}

/** @param disturb ends the coordinator's pod of the name that it gets @returns from which step the next one continued */
async function replaced(scene: Scene, disturb: (name: string) => Promise<void>): Promise<string> {
  const { training } = scene;
  await renewJob(scene);
  const { metadata } = await training.coordinator();
  await training.advances();
  const before = training.attempts.length;
  training.mark();
  await disturb(metadata.name);
  let reached = 0;
  const attempts = await training.until('the next attempt begins', () => {
    const now = training.attempts;
    if (now.length > before) return now;
    reached = Math.max(reached, training.step);
    return false;
  });
  const { from } = attempts.at(-1) as Attempt;
  await training.advances();
  return `a new pod continues at step ${from} of ${Math.max(from, reached)}`;
}

/** A Job waits longer after each end of a pod; a new one begins anew. */
async function renewJob({ training, overlay }: Scene): Promise<void> {
  const before = training.attempts.length;
  training.kubectl('delete', 'job', `lockstep-coordinator-${training.name}`, '--cascade=foreground');
  training.kubectl('apply', '--kustomize', overlay);
  await training.until('the new job continues the run', () => training.attempts.length > before);
}

function killProcess({ training, volume }: Scene): void {
  const runs = statSync(join(volume, 'runs'));
  const pids = processesWith((words) => words.includes(`--out=runs/${training.name}`)).filter((pid) => {
    // Another cluster of this machine may have a run of that name.
    return statSync(`/proc/${pid}/root/work/runs`).dev === runs.dev;
  });
  assert.equal(pids.length, 1, 'there is one coordinator');
  kill(pids[0] as number);
}

/** Writes to a new file until the disk is full. */
function fill(file: string): void {
  const block = Buffer.alloc(1 << 16);
  assert.throws(
    () => {
      for (;;) writeFileSync(file, block, { flag: 'a' });
    },
    { code: 'ENOSPC' },
  );
}
