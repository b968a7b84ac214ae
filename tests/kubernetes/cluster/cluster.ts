// A Kubernetes cluster on this machine, in a network namespace of its own: etcd, the control plane, CoreDNS, and nodes of containerd
// and kubelet. Linux and root only.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { eventually } from '../../support/eventually.ts';
import { Daemons } from './daemons.ts';
import { ClusterNode, NAMESPACES } from './node.ts';

const API = 'https://127.0.0.1:6443';
const ETCD = 'http://127.0.0.1:2379';
/** The bridge that all pods are on, at which CoreDNS listens. */
const GATEWAY = '10.244.0.1';

export interface Programs {
  /** The program of tools/kubernetes/kubernetes. */
  readonly kubernetes: string;
  readonly coredns: string;
  /** Docker archives of images. */
  readonly images: readonly string[];
}

export class KubernetesCluster {
  readonly #folder: string;
  readonly #programs: Programs;
  readonly #network = `lockstep-${process.pid}`;
  readonly #daemons: Daemons;
  readonly #nodes = new Map<string, ClusterNode>();

  /** @param folder existing, empty; its files are the caller's to remove, after `stop` */
  constructor(folder: string, programs: Programs) {
    this.#folder = folder;
    this.#programs = programs;
    mkdirSync(join(folder, 'log'));
    this.#daemons = new Daemons(join(folder, 'log'), ['nsenter', `--net=${NAMESPACES}/${this.#network}`]);
  }

  async start(nodes: readonly string[]): Promise<void> {
    this.#makeNetwork();
    await this.#startControlPlane();
    this.#startDns();
    for (const [index, name] of nodes.entries()) {
      const folder = join(this.#folder, name);
      const node = new ClusterNode({ name, index, folder, addresses: this.#at('addresses'), gateway: GATEWAY });
      this.#nodes.set(name, node);
      await node.start(this.#daemons, { ...this.#programs, kubeconfig: this.#at('kubeconfig') });
    }
    await eventually(
      () => 'all nodes are ready',
      () => this.#ready() === nodes.length,
    );
  }

  get kubectlCommand(): string {
    return this.#daemons.prefix(this.#kubectlLine([])).join(' ');
  }

  /** @returns the output @throws AssertionError if it fails */
  kubectl(args: readonly string[], input = ''): string {
    const { status, stdout, stderr } = this.#kubectl(args, input);
    assert.equal(status, 0, `kubectl ${args.join(' ')}: ${stderr}`);
    return stdout.trim();
  }

  /** @returns all that it prints, also if it fails */
  tryKubectl(args: readonly string[]): string {
    const { stdout, stderr } = this.#kubectl(args);
    return `${stdout}${stderr}`;
  }

  /** A command in the cluster's network, such as curl. @returns its output; undefined if it fails */
  inside(commandLine: readonly string[]): string | undefined {
    const [command, ...args] = this.#daemons.prefix([...commandLine]);
    const { status, stdout } = spawnSync(command as string, args, { encoding: 'utf8' });
    return status === 0 ? stdout : undefined;
  }

  /** Ends a node, with all of its containers, as a power cut does. */
  cut(name: string): void {
    this.#nodes.get(name)?.cut(this.#daemons);
  }

  /** Ends everything. */
  async stop(): Promise<void> {
    for (const node of this.#nodes.values()) node.cut(this.#daemons);
    await this.#daemons.stop();
    // The innermost first.
    const mounts = spawnSync('findmnt', ['--noheadings', '--raw', '--output', 'TARGET'], { encoding: 'utf8' });
    const own = mounts.stdout.split('\n').filter((target) => target.startsWith(`${this.#folder}/`));
    for (const target of own.reverse()) spawnSync('umount', ['--lazy', target]);
    spawnSync('ip', ['netns', 'delete', this.#network]);
  }

  #at(...path: string[]): string {
    return join(this.#folder, ...path);
  }

  #makeNetwork(): void {
    const inside = ['-n', this.#network];
    for (const args of [
      ['netns', 'add', this.#network],
      [...inside, 'link', 'set', 'lo', 'up'],
      [...inside, 'link', 'add', 'cni0', 'type', 'bridge'],
      [...inside, 'address', 'add', `${GATEWAY}/24`, 'dev', 'cni0'],
      [...inside, 'link', 'set', 'cni0', 'up'],
    ]) {
      const { status, stderr } = spawnSync('ip', args, { encoding: 'utf8' });
      assert.equal(status, 0, `ip ${args.join(' ')}: ${stderr}`);
    }
  }

  async #startControlPlane(): Promise<void> {
    mkdirSync(this.#at('certs'));
    const key = this.#at('certs', 'accounts.key');
    assert.equal(spawnSync('openssl', ['genrsa', '-out', key, '2048']).status, 0, 'openssl makes a key');
    const token = randomBytes(16).toString('hex');
    writeFileSync(this.#at('certs', 'tokens.csv'), `${token},admin,admin,"system:masters"\n`, { mode: 0o600 });
    writeFileSync(this.#at('kubeconfig'), kubeconfig(token), { mode: 0o600 });
    const { kubernetes } = this.#programs;
    this.#daemons.start('etcd', [
      'etcd',
      `--data-dir=${this.#at('etcd')}`,
      `--listen-client-urls=${ETCD}`,
      `--advertise-client-urls=${ETCD}`,
      '--unsafe-no-fsync',
    ]);
    this.#daemons.start('apiserver', [
      kubernetes,
      'kube-apiserver',
      `--etcd-servers=${ETCD}`,
      '--bind-address=127.0.0.1',
      '--advertise-address=127.0.0.1',
      `--cert-dir=${this.#at('certs')}`,
      '--service-account-issuer=https://kubernetes.default.svc',
      `--service-account-key-file=${key}`,
      `--service-account-signing-key-file=${key}`,
      `--token-auth-file=${this.#at('certs', 'tokens.csv')}`,
      '--authorization-mode=RBAC',
      '--service-cluster-ip-range=10.96.0.0/16',
      '--endpoint-reconciler-type=none',
      '--kubelet-preferred-address-types=InternalIP',
    ]);
    await eventually(
      () => 'the API server is ready',
      () =>
        existsSync(this.#at('certs', 'apiserver.crt')) && this.#kubectl(['get', '--raw', '/readyz']).stdout === 'ok',
    );
    const connect = [`--kubeconfig=${this.#at('kubeconfig')}`, '--leader-elect=false', '--bind-address=127.0.0.1'];
    this.#daemons.start('controller-manager', [
      kubernetes,
      'kube-controller-manager',
      ...connect,
      `--cert-dir=${this.#at('certs')}`,
      `--service-account-private-key-file=${key}`,
      `--root-ca-file=${this.#at('certs', 'apiserver.crt')}`,
    ]);
    this.#daemons.start('scheduler', [kubernetes, 'kube-scheduler', ...connect, `--cert-dir=${this.#at('certs')}`]);
  }

  #startDns(): void {
    writeFileSync(
      this.#at('Corefile'),
      `.:53 {
  bind ${GATEWAY}
  errors
  ready 127.0.0.1:8181
  kubernetes cluster.local {
    kubeconfig ${this.#at('kubeconfig')}
  }
  cache 30
  loadbalance
}
`,
    );
    this.#daemons.start('coredns', [this.#programs.coredns, '-conf', this.#at('Corefile')]);
  }

  #ready(): number {
    const { stdout } = this.#kubectl(['get', 'nodes', '--no-headers']);
    return stdout.split('\n').filter((line) => /\sReady\s/.test(line)).length;
  }

  #kubectlLine(args: readonly string[]): string[] {
    return [this.#programs.kubernetes, 'kubectl', `--kubeconfig=${this.#at('kubeconfig')}`, ...args];
  }

  #kubectl(args: readonly string[], input = '') {
    const [command, ...rest] = this.#daemons.prefix(this.#kubectlLine(args));
    return spawnSync(command as string, rest, { encoding: 'utf8', input, maxBuffer: 1e8 });
  }
}

function kubeconfig(token: string): string {
  return JSON.stringify({
    apiVersion: 'v1',
    kind: 'Config',
    clusters: [{ name: 'lockstep', cluster: { server: API, 'insecure-skip-tls-verify': true } }],
    users: [{ name: 'admin', user: { token } }],
    contexts: [{ name: 'lockstep', context: { cluster: 'lockstep', user: 'admin' } }],
    'current-context': 'lockstep',
  });
}

/** Removes what `stop` couldn't, as long as something is still being unmounted. */
export function removeFolder(folder: string): void {
  rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
}
