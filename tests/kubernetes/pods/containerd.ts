// A containerd of the test's own, in mount, network and process namespaces of its own: what it leaves ends with them. Linux and root only.
import assert from 'node:assert/strict';
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, existsSync, openSync, readdirSync, readFileSync, rmdirSync } from 'node:fs';
import { join } from 'node:path';
import { eventually } from '../../support/eventually.ts';
import { prepareRuntime } from '../runtime.ts';
import { CriClient } from './cri.ts';

const PROGRAMS = ['containerd', 'ctr', 'runc', 'unshare', 'nsenter', 'setpriv', 'ip', 'mount', '/usr/lib/cni/bridge'];
/** Some of them are in folders that only root has in its PATH. */
const PATH = `${process.env.PATH}:/usr/sbin:/sbin`;
const CGROUPS = '/sys/fs/cgroup';
/** Of the network in the namespace, which nobody else sees. */
const POD_SUBNET = '10.88.0.0/16';

/** A docker archive of the project's image, as tools/container/image.sh writes it if the variable is set for that too. */
export const IMAGE_ARCHIVE = process.env.IMAGE_ARCHIVE ?? '';

/** For tests that run containers: false, or why they are skipped. */
export const skip = process.env.CI === 'true' ? false : reasonToSkip();

function reasonToSkip(): string | false {
  const found = spawnSync('sh', ['-c', PROGRAMS.map((name) => `command -v ${name}`).join(' && ')], { env: { PATH } });
  if (found.status !== 0) return `one of the programs is not installed: ${PROGRAMS.join(', ')}`;
  if (spawnSync('unshare', ['--net', '--mount', 'true']).status !== 0) return 'needs root, to make containers';
  if (!existsSync(IMAGE_ARCHIVE)) return 'IMAGE_ARCHIVE names no archive of the image';
  return false;
}

export class Containerd {
  /** For the cgroups of all pods. */
  readonly cgroup = `lockstep-test-${process.pid}`;
  readonly #folder: string;
  #daemon: ChildProcess | undefined;
  #cri: CriClient | undefined;
  #socket = '';

  /** @param folder existing, empty; its files are the caller's to remove, after `stop` */
  constructor(folder: string) {
    this.#folder = folder;
  }

  get cri(): CriClient {
    assert.ok(this.#cri, 'containerd has been started');
    return this.#cri;
  }

  async start(): Promise<void> {
    const folder = this.#folder;
    const network = { bridge: 'pods', subnet: POD_SUBNET, addresses: this.#path('addresses') };
    const { config, pause, socket } = prepareRuntime({ folder, ...network });
    this.#socket = socket;
    // Sockets of shims, network namespaces and addresses have fixed places below /run and /var/lib. The shell is the namespace's init.
    const script =
      'mount -t tmpfs run /run && mount -t tmpfs lib /var/lib && ip link set lo up && { containerd -c "$1" & wait; }';
    const namespaces = ['--mount', '--net', '--pid', '--fork', '--mount-proc', '--kill-child'];
    const command = ['--pdeathsig', 'KILL', 'unshare', ...namespaces, 'sh', '-c', script, 'sh', config];
    const log = openSync(this.#path('containerd.log'), 'a');
    this.#daemon = spawn('setpriv', command, { env: { PATH }, stdio: ['ignore', log, log] });
    closeSync(log);
    await eventually(
      () => `containerd listens, but it printed:\n${readFileSync(this.#path('containerd.log'), 'utf8')}`,
      () => this.#ctr(['version']).status === 0,
    );
    this.#cri = new CriClient(socket);
    this.ctr(['images', 'import', pause]);
  }

  /** Loads an image from a docker archive. @param name as pods call it */
  async load(archive: string, name: string): Promise<void> {
    this.ctr(['images', 'import', archive]);
    await eventually(
      () => `there is an image ${name} from ${archive}`,
      async () => {
        const found = await this.cri.call<{ image?: object }>('ImageService/ImageStatus', { image: { image: name } });
        return found.image != null;
      },
    );
  }

  /** @throws AssertionError if it fails */
  ctr(args: readonly string[]): void {
    const { status, stderr } = this.#ctr(args);
    assert.equal(status, 0, `ctr ${args.join(' ')}: ${stderr}`);
  }

  /** Runs a command in the network of the node, from which pods can be reached. @returns its exit code */
  async inNetwork(command: readonly string[]): Promise<number | null> {
    const child = spawn('nsenter', [`--net=/proc/${this.#init()}/ns/net`, ...command], {
      env: { PATH },
      stdio: 'ignore',
    });
    const [status] = await once(child, 'close');
    return status;
  }

  /** Ends containerd and all containers. */
  async stop(): Promise<void> {
    this.#cri?.close();
    const daemon = this.#daemon;
    if (daemon !== undefined && daemon.exitCode === null && daemon.signalCode === null) {
      const closed = once(daemon, 'close');
      const init = this.#init();
      // With the first process of a namespace the kernel ends all others, and then its parent ends.
      if (init === undefined) daemon.kill('SIGKILL');
      else process.kill(init, 'SIGKILL');
      await closed;
    }
    for (const controller of ['', ...readdirSync(CGROUPS)]) removeCgroups(join(CGROUPS, controller, this.cgroup));
  }

  /** The process id of the first process of the namespaces. */
  #init(): number | undefined {
    const pid = this.#daemon?.pid;
    const child = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim();
    return child === '' ? undefined : Number(child);
  }

  #ctr(args: readonly string[]) {
    return spawnSync('ctr', ['-a', this.#socket, '-n', 'k8s.io', ...args], { encoding: 'utf8', env: { PATH } });
  }

  #path(name: string): string {
    return join(this.#folder, name);
  }
}

function removeCgroups(folder: string): void {
  if (!existsSync(folder)) return;
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    if (entry.isDirectory()) removeCgroups(join(folder, entry.name));
  }
  rmdirSync(folder);
}
