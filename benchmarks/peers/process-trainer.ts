import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type Answer, PeerProcess, type ProcessOptions, type Question } from './process.ts';
import type { Job, Measured, Peer, Trainer } from './trainer.ts';

const PYTORCH = scriptOf('networks.py');
const TENSORFLOW = scriptOf('networks_tf.py');
const TFJS = fileURLToPath(new URL('./tfjs-process.js', import.meta.url));

function scriptOf(name: string): string {
  return fileURLToPath(new URL(`../../../benchmarks/peers/${name}`, import.meta.url));
}

/** Processes that share a batch, and the settings that are theirs. */
interface Group {
  readonly settings: readonly string[];
  readonly processes: readonly ProcessOptions[];
}

interface TrainerOptions extends Pick<Trainer, 'peer' | 'name' | 'threads'> {
  readonly groups: readonly Group[];
}

/** A peer in processes of its own. */
class ProcessTrainer implements Trainer {
  readonly peer: Peer;
  readonly name: string;
  readonly threads: number;
  readonly settings: readonly string[];
  /** By setting. */
  readonly #processes = new Map<string, readonly PeerProcess[]>();

  constructor(job: Job, { peer, name, threads, groups }: TrainerOptions) {
    this.peer = peer;
    this.name = name;
    this.threads = threads;
    this.settings = groups.flatMap(({ settings }) => settings);
    for (const { settings, processes } of groups) {
      const own = processes.map((options) => new PeerProcess(job, options));
      for (const setting of settings) this.#processes.set(setting, own);
    }
  }

  async versions(): Promise<Readonly<Record<string, string>>> {
    return Object.assign({}, ...(await Promise.all(this.#all().map(({ versions }) => versions))));
  }

  /** The mean of the processes' parts of the batch. */
  async losses(setting: string, steps: number): Promise<readonly number[]> {
    const parts = (await this.#ask({ setting, losses: steps })).map(({ losses }) => losses);
    return Array.from({ length: steps }, (_, step) => {
      return parts.reduce((sum, losses) => sum + (losses[step] ?? Number.NaN), 0) / parts.length;
    });
  }

  async measure(setting: string, steps: number): Promise<Measured> {
    const parts = await this.#ask({ setting, steps });
    return {
      seconds: Math.max(...parts.map(({ seconds }) => seconds)),
      processor: parts.reduce((sum, { processor }) => sum + processor, 0),
    };
  }

  async close(): Promise<void> {
    await Promise.all(this.#all().map((each) => each.close()));
  }

  #ask(question: Question): Promise<Answer[]> {
    const processes = this.#processes.get(question.setting) ?? [];
    return Promise.all(processes.map((each) => each.ask(question)));
  }

  #all(): PeerProcess[] {
    return [...new Set([...this.#processes.values()].flat())];
  }
}

const PYTORCH_SETTINGS = ['channels_first', 'channels_last', 'channels_first, compiled', 'channels_last, compiled'];

/**
 * PyTorch in one process. Its threads wait for each other in a loop, which is slow beside other programs: if there are several,
 * those that sleep are tried too.
 */
export function pytorchTrainer(job: Job, python: string, threads: number): Trainer {
  const process = { command: [python, PYTORCH], threads } as const;
  const groups: Group[] = [{ settings: PYTORCH_SETTINGS, processes: [process] }];
  if (threads > 1) {
    const settings = PYTORCH_SETTINGS.map((setting) => `${setting}, OMP_WAIT_POLICY=passive`);
    groups.push({ settings, processes: [{ ...process, env: { OMP_WAIT_POLICY: 'passive' } }] });
  }
  return new ProcessTrainer(job, { peer: 'pytorch', name: 'PyTorch', threads, groups });
}

/** PyTorch's DistributedDataParallel in processes of one thread, by gloo over loopback. */
export function ddpTrainer(job: Job, python: string, processes: number): Trainer {
  const folder = mkdtempSync(join(tmpdir(), 'lockstep-peers-'));
  const common = { command: [python, PYTORCH], threads: 1, processes, meetingPoint: join(folder, 'meeting') } as const;
  const env = { GLOO_SOCKET_IFNAME: process.platform === 'darwin' ? 'lo0' : 'lo' };
  const members = Array.from({ length: processes }, (_, rank) => ({ ...common, env, rank }));
  const groups = [{ settings: PYTORCH_SETTINGS, processes: members }];
  const trainer = new ProcessTrainer(job, { peer: 'pytorch', name: 'PyTorch, DDP', threads: processes, groups });
  const close = trainer.close.bind(trainer);
  trainer.close = () => close().finally(() => rmSync(folder, { recursive: true, force: true }));
  return trainer;
}

export function tensorflowTrainer(job: Job, python: string, threads: number): Trainer {
  const processes = [{ command: [python, TENSORFLOW], threads }] as const;
  const groups = [{ settings: ['tf.function', 'tf.function, XLA'], processes }];
  return new ProcessTrainer(job, { peer: 'tensorflow', name: 'TensorFlow', threads, groups });
}

export function tfjsTrainer(job: Job, threads: number): Trainer {
  const groups = [{ settings: ['oneDNN'], processes: [{ command: [process.execPath, TFJS], threads }] as const }];
  return new ProcessTrainer(job, { peer: 'tfjs', name: 'tfjs-node', threads, groups });
}
