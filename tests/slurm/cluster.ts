// A Slurm cluster on this machine: munged, slurmctld and a slurmd for each node, which has a host name of its own. Linux and root only.
import assert from 'node:assert/strict';
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import {
  appendFileSync,
  closeSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  openSync,
  readdirSync,
  readlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { eventually } from '../support/eventually.ts';
import { freePorts } from '../support/free-ports.ts';

const PROGRAMS = ['munged', 'slurmctld', 'slurmd', 'sbatch', 'unshare'];
/** Daemons are in folders that only root has in its PATH. */
const PATH = `${process.env.PATH}:/usr/sbin:/sbin`;
const CONTROLLER = 'controller';

/** For tests of a real Slurm: false, or why they are skipped. */
export const skip = process.env.CI === 'true' ? false : reasonToSkip();

function reasonToSkip(): string | false {
  const found = spawnSync('sh', ['-c', PROGRAMS.map((name) => `command -v ${name}`).join(' && ')], { env: { PATH } });
  if (found.status !== 0) return "Slurm, Debian's packages slurm-wlm and munge, is not installed";
  if (spawnSync('unshare', ['--uts', '--mount', 'true']).status !== 0) return 'needs root, to give nodes host names';
  return false;
}

export interface Partition {
  readonly nodes: readonly string[];
  /** Its jobs preempt those of partitions with the same nodes and a lower priority. */
  readonly priority?: number;
}

export class SlurmCluster {
  readonly #folder: string;
  readonly #env: NodeJS.ProcessEnv;
  readonly #daemons = new Map<string, ChildProcess>();

  /** @param folder existing, empty; its files are the caller's to remove, after `stop` */
  constructor(folder: string) {
    this.#folder = folder;
    this.#env = { PATH, HOME: folder, SLURM_CONF: join(folder, 'slurm.conf') };
  }

  /** @param partitions by name; the first one is the default */
  async start(partitions: Readonly<Record<string, Partition>>): Promise<void> {
    const nodes = [...new Set(Object.values(partitions).flatMap((partition) => partition.nodes))];
    const [port, ...ports] = (await freePorts(nodes.length + 1)) as [number, ...number[]];
    const names = nodes.map((node, i) => `NodeName=${node} NodeAddr=127.0.0.1 Port=${ports[i]} CPUs=2 RealMemory=2000`);
    const groups = Object.entries(partitions).map(([name, { nodes: members, priority = 1 }], i) => {
      const isDefault = i === 0 ? 'YES' : 'NO';
      return `PartitionName=${name} Nodes=${members.join(',')} PriorityTier=${priority} Default=${isDefault} State=UP`;
    });
    writeFileSync(join(this.#folder, 'slurm.conf'), [this.#settings(port), ...names, ...groups, ''].join('\n'));
    copyFileSync('/etc/hosts', join(this.#folder, 'hosts'));
    appendFileSync(join(this.#folder, 'hosts'), `\n127.0.0.1 ${[CONTROLLER, ...nodes].join(' ')}\n`);
    mkdirSync(join(this.#folder, 'state'));
    await this.#startMunge();
    this.#startOn(CONTROLLER, ['slurmctld', '-D', '-i']);
    for (const node of nodes) this.#startOn(node, ['slurmd', '-D', '-N', node]);
    const areIdle = (): boolean => {
      // It fails as long as the controller doesn't answer.
      const { status, stdout } = this.#spawnSync(['sinfo', '-h', '-N', '-o', '%t'], {});
      return (
        status === 0 &&
        stdout
          .trim()
          .split('\n')
          .every((state) => state === 'idle')
      );
    };
    await eventually(() => 'all nodes are idle', areIdle);
  }

  /** Runs a command of Slurm, with more variables. @returns its output @throws AssertionError if it fails */
  run(commandLine: readonly string[], variables: NodeJS.ProcessEnv = {}): string {
    const { status, stdout, stderr } = this.#spawnSync(commandLine, variables);
    assert.equal(status, 0, `${commandLine.join(' ')}: ${stderr}`);
    return stdout.trim();
  }

  /** The processes on a node: its slurmd, and all that jobs have started there. */
  processesOf(node: string): number[] {
    const host = namespaceOf(this.#daemons.get(node)?.pid);
    // A daemon that hasn't its namespace yet is in this process's own, with the whole machine.
    assert.ok(host !== undefined && host !== namespaceOf(process.pid), `${node} is not up`);
    return readdirSync('/proc')
      .filter((name) => /^\d+$/.test(name))
      .map(Number)
      .filter((pid) => namespaceOf(pid) === host);
  }

  /** Ends a node as a power cut does. */
  cut(node: string): void {
    for (const pid of this.processesOf(node)) kill(pid);
  }

  /** Ends all processes of all nodes, and the daemons. */
  async stop(): Promise<void> {
    const own = namespaceOf(process.pid);
    for (const [name, daemon] of [...this.#daemons].reverse()) {
      if (daemon.pid === undefined || daemon.exitCode !== null || daemon.signalCode !== null) continue;
      const closed = once(daemon, 'close');
      if (namespaceOf(daemon.pid) === own) daemon.kill('SIGKILL');
      else this.cut(name);
      await closed;
    }
  }

  #spawnSync([command, ...args]: readonly string[], variables: NodeJS.ProcessEnv) {
    const env = { ...this.#env, ...variables };
    return spawnSync(command as string, args, { cwd: this.#folder, env, encoding: 'utf8' });
  }

  #settings(port: number): string {
    const at = (file: string): string => join(this.#folder, file);
    return `ClusterName=test
SlurmctldHost=${CONTROLLER}(127.0.0.1)
SlurmUser=root
SlurmdUser=root
StateSaveLocation=${at('state')}
SlurmdSpoolDir=${at('spool-%n')}
SlurmctldPidFile=${at('slurmctld.pid')}
SlurmdPidFile=${at('slurmd-%n.pid')}
SlurmctldPort=${port}
AuthType=auth/munge
# A requeued job waits until the credential of its last attempt has expired, by default for two minutes.
AuthInfo=socket=${at('munge.socket')},cred_expire=5
ProctrackType=proctrack/pgid
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
SlurmdParameters=config_overrides
ReturnToService=2
MpiDefault=none
SlurmdTimeout=5
MessageTimeout=3
TCPTimeout=1
TreeWidth=50
KillWait=10
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
SchedulerParameters=sched_interval=1,batch_sched_delay=0`;
  }

  async #startMunge(): Promise<void> {
    writeFileSync(join(this.#folder, 'munge.key'), randomBytes(1024), { mode: 0o400 });
    const options = { 'key-file': 'key', socket: 'socket', 'pid-file': 'pid', 'log-file': 'log', 'seed-file': 'seed' };
    const flags = Object.entries(options).map(([flag, end]) => `--${flag}=${join(this.#folder, `munge.${end}`)}`);
    this.#spawn('munged', ['munged', '--foreground', '--force', '--num-threads=2', ...flags]);
    await eventually(
      () => 'munged listens',
      () => existsSync(join(this.#folder, 'munge.socket')),
    );
  }

  /** A daemon with a host name of its own, and where all of these names lead to loopback. */
  #startOn(host: string, command: readonly string[]): void {
    const script = 'hostname "$1" && mount --bind "$2" /etc/hosts && shift 2 && exec "$@"';
    const hosts = join(this.#folder, 'hosts');
    this.#spawn(host, ['unshare', '--uts', '--mount', 'sh', '-c', script, 'sh', host, hosts, ...command]);
  }

  #spawn(name: string, [command, ...args]: readonly string[]): void {
    const log = openSync(join(this.#folder, `${name}.log`), 'a');
    const daemon = spawn(command as string, args, { cwd: this.#folder, env: this.#env, stdio: ['ignore', log, log] });
    closeSync(log);
    this.#daemons.set(name, daemon);
  }
}

/** What tells a process's host from others; undefined if the process is gone. */
function namespaceOf(pid: number | undefined): string | undefined {
  try {
    return readlinkSync(`/proc/${pid}/ns/uts`);
  } catch {
    return undefined;
  }
}

export function kill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}
