// A node of a Kubernetes cluster: containerd with runc, and kubelet. Several share a machine, its bridge and its addresses.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { eventually } from '../../support/eventually.ts';
import { prepareRuntime } from '../runtime.ts';
import type { Programs } from './cluster.ts';
import type { Daemons } from './daemons.ts';

/** Where network namespaces have their names. */
export const NAMESPACES = '/run/netns';
const FIRST_PORT = 10_250;
const PORTS_OF_NODE = 10;

export interface NodeOptions {
  readonly name: string;
  /** Unique within the cluster, from 0 on. */
  readonly index: number;
  /** New. */
  readonly folder: string;
  /** For the addresses of pods that are taken, in all nodes. */
  readonly addresses: string;
  /** Address of the bridge, at which the cluster's DNS answers. */
  readonly gateway: string;
}

export class ClusterNode {
  readonly #options: NodeOptions;

  constructor(options: NodeOptions) {
    this.#options = options;
  }

  async start(daemons: Daemons, { kubernetes, images, kubeconfig }: Programs & { readonly kubeconfig: string }) {
    const { name } = this.#options;
    const { folder, addresses } = this.#options;
    mkdirSync(join(folder, 'kubelet'), { recursive: true });
    const { config, pause } = prepareRuntime({ folder, bridge: 'cni0', subnet: '10.244.0.0/24', addresses });
    writeFileSync(this.#at('kubelet.yaml'), JSON.stringify(this.#kubelet()));
    writeFileSync(this.#at('resolv.conf'), '');
    daemons.start(`containerd-${name}`, ['containerd', '--config', config]);
    await eventually(
      () => `containerd of ${name} answers`,
      () => this.#ctr(daemons, ['version']) === 0,
    );
    for (const image of [pause, ...images]) {
      assert.equal(this.#ctr(daemons, ['--namespace', 'k8s.io', 'images', 'import', image]), 0, `${image} is imported`);
    }
    daemons.start(`kubelet-${name}`, [
      kubernetes,
      'kubelet',
      `--config=${this.#at('kubelet.yaml')}`,
      `--kubeconfig=${kubeconfig}`,
      `--root-dir=${this.#at('kubelet')}`,
      `--cert-dir=${this.#at('pki')}`,
      `--hostname-override=${name}`,
      `--node-ip=${this.#options.gateway}`,
    ]);
  }

  /** Kills kubelet, containerd and all containers, whose networks go too. */
  cut(daemons: Daemons): void {
    daemons.kill(`kubelet-${this.#options.name}`);
    daemons.kill(`containerd-${this.#options.name}`);
    const shims = processesWith(
      (words) => words.includes(this.#socket) && (words[0] ?? '').includes('containerd-shim'),
    );
    for (const pid of shims) {
      const children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim().split(' ').filter(Boolean);
      const networks = new Set(children.map((child) => statSync(`/proc/${child}/ns/net`).ino));
      for (const each of [...children.map(Number), pid]) kill(each);
      const names = readdirSync(NAMESPACES).filter((name) => networks.has(statSync(join(NAMESPACES, name)).ino));
      for (const name of names) spawnSync('ip', ['netns', 'delete', name]);
    }
  }

  get #socket(): string {
    return this.#at('containerd.sock');
  }

  #at(...path: string[]): string {
    return join(this.#options.folder, ...path);
  }

  #ctr(daemons: Daemons, args: readonly string[]): number | null {
    const [command, ...rest] = daemons.prefix(['ctr', '--address', this.#socket, ...args]);
    return spawnSync(command as string, rest).status;
  }

  #kubelet() {
    const port = FIRST_PORT + this.#options.index * PORTS_OF_NODE;
    return {
      apiVersion: 'kubelet.config.k8s.io/v1beta1',
      kind: 'KubeletConfiguration',
      address: this.#options.gateway,
      port,
      healthzPort: port + 1,
      authentication: { anonymous: { enabled: true }, webhook: { enabled: false } },
      authorization: { mode: 'AlwaysAllow' },
      clusterDNS: [this.#options.gateway],
      clusterDomain: 'cluster.local',
      containerRuntimeEndpoint: `unix://${this.#socket}`,
      resolvConf: this.#at('resolv.conf'),
      podLogsDir: this.#at('logs'),
      // This machine may have version 1 of cgroups, and shares them with others.
      failCgroupV1: false,
      cgroupDriver: 'cgroupfs',
      cgroupsPerQOS: false,
      enforceNodeAllocatable: [],
      failSwapOn: false,
      evictionHard: {},
      localStorageCapacityIsolation: false,
    };
  }
}

/** The processes of this machine whose command line fits. */
export function processesWith(fits: (words: readonly string[]) => boolean): number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name) && existsSync(`/proc/${name}/cmdline`))
    .map(Number)
    .filter((pid) => {
      try {
        return fits(readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0'));
      } catch {
        return false;
      }
    });
}

export function kill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}
