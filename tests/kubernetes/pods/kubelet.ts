// Runs the pods of rendered manifests by containerd as a kubelet does, with what controllers and DNS add; the latter by /etc/hosts.
// Not simulated: network policies, limits of volumes, scheduling, and restarts, which are the test's to do.
import assert from 'node:assert/strict';
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Manifest } from '../manifests.ts';
import type { Containerd } from './containerd.ts';
import type { Service, Workload } from './objects.ts';
import { Pod } from './pod.ts';
import { containerConfig, type PodIdentity, sandboxConfig } from './pod-config.ts';
import { makeVolumes } from './volumes.ts';

const JOB = 'batch.kubernetes.io';

export interface KubeletOptions {
  readonly containerd: Containerd;
  /** Existing, empty. */
  readonly folder: string;
  /** What pods refer to: Services, ConfigMaps and Secrets. */
  readonly objects: readonly Manifest[];
}

interface Running {
  readonly identity: PodIdentity;
  readonly pod: Pod;
  readonly hosts: string;
}

export class Kubelet {
  /** Persistent volumes, by the names of their claims. */
  readonly claims: string;
  readonly #options: KubeletOptions;
  readonly #running = new Map<Pod, Running>();
  #started = 0;

  constructor(options: KubeletOptions) {
    this.#options = options;
    this.claims = join(options.folder, 'claims');
  }

  /** Starts a pod of a Deployment or Job. @param index its place in an Indexed Job */
  async run(workload: Workload, index = 0): Promise<Pod> {
    const { containerd, objects } = this.#options;
    const { spec } = workload.spec.template;
    this.#started++;
    const identity = identityOf(workload, index, `${this.#started}`);
    const folder = join(this.#options.folder, identity.name);
    mkdirSync(folder);
    const hosts = join(folder, 'hosts');
    const mounts = makeVolumes(spec, { objects, folder, claims: this.claims });
    mounts.push({ containerPath: '/etc/hosts', hostPath: hosts, readonly: false });
    const sandboxOf = sandboxConfig(spec, { identity, logs: folder, cgroup: `/${containerd.cgroup}` });
    const sandbox = await this.#call<{ podSandboxId: string }>('RunPodSandbox', { config: sandboxOf });
    const { status } = await this.#call<{ status: { network: { ip: string } } }>('PodSandboxStatus', sandbox);
    const { ip } = status.network;
    writeFileSync(hosts, this.#hosts(identity.hostname, ip));
    const config = containerConfig(spec, { objects, identity, mounts });
    const created = { ...sandbox, config, sandboxConfig: sandboxOf };
    const { containerId } = await this.#call<{ containerId: string }>('CreateContainer', created);
    await this.#call('StartContainer', { containerId });
    const logFile = join(folder, `${spec.containers[0].name}.log`);
    const ids = { sandbox: sandbox.podSandboxId, container: containerId };
    const pod = new Pod({ containerd, spec, hostname: identity.hostname, ip, logFile, ...ids });
    this.#running.set(pod, { identity, pod, hosts });
    this.#publish();
    return pod;
  }

  /** Removes a pod, whose address the names of Services then no longer lead to. */
  async remove(pod: Pod): Promise<void> {
    const { identity } = this.#running.get(pod) as Running;
    this.#running.delete(pod);
    this.#publish();
    await pod.remove();
    rmSync(join(this.#options.folder, identity.name), { recursive: true });
  }

  /** Tells each pod the addresses of Services, as DNS would. */
  #publish(): void {
    for (const { pod, hosts } of this.#running.values()) writeFileSync(hosts, this.#hosts(pod.hostname, pod.ip));
  }

  #hosts(hostname: string, ip: string): string {
    const services = this.#options.objects.filter(({ kind }) => kind === 'Service') as Service[];
    const lines = services.flatMap(({ metadata, spec }) => {
      assert.ok(spec.clusterIP === 'None' && spec.publishNotReadyAddresses, `${metadata.name} is a name for each pod`);
      const chosen = [...this.#running.values()].filter(({ identity }) => {
        return Object.entries(spec.selector).every(([key, value]) => identity.labels[key] === value);
      });
      return chosen.map(({ pod }) => `${pod.ip} ${metadata.name}`);
    });
    return ['127.0.0.1 localhost', `${ip} ${hostname}`, ...lines, ''].join('\n');
  }

  #call<T>(method: string, request: object): Promise<T> {
    return this.#options.containerd.cri.call<T>(`RuntimeService/${method}`, request);
  }
}

/** What a controller calls its pod, and the labels that it adds. @param unique part of the pod's name */
function identityOf({ kind, metadata, spec }: Workload, index: number, unique: string): PodIdentity {
  const { name } = metadata;
  const { labels } = spec.template.metadata;
  if (kind !== 'Job') return { name: `${name}-${unique}`, hostname: `${name}-${unique}`, labels };
  assert.equal(spec.completionMode, 'Indexed');
  return {
    name: `${name}-${index}-${unique}`,
    hostname: `${name}-${index}`,
    labels: { ...labels, [`${JOB}/job-name`]: name, [`${JOB}/job-completion-index`]: String(index) },
  };
}
