// A run on a cluster, as its user sees it through kubectl, and its files on the volume.
import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { eventually } from '../../support/eventually.ts';
import { manifestOf } from '../../support/program.ts';
import type { KubernetesCluster } from './cluster.ts';

/** Steps that show that a run advances. */
const SOME_STEPS = 5;
/** Longer than what Kubernetes waits: 50 s for a silent node, 30 s until its pods are moved, the back-off of a Job. */
const LIMIT_MS = 240_000;
/** A look is a process of kubectl. */
const POLL_MS = 500;

export interface Pod {
  readonly metadata: { readonly name: string; readonly uid: string; readonly deletionTimestamp?: string };
  readonly spec: { readonly nodeName?: string };
  readonly status: {
    readonly phase: string;
    readonly conditions?: readonly { readonly type: string; readonly status: string }[];
  };
}

interface Job {
  readonly status: { readonly conditions?: readonly { type: string; status: string; reason?: string }[] };
}

export interface Attempt {
  readonly from: number;
}

/** One line of steps.jsonl. */
interface Step {
  readonly step: number;
  /** `at`: Unix milliseconds. */
  readonly timings: { readonly at: number };
}

export class Training {
  readonly name: string;
  /** Its directory on the volume. */
  readonly run: string;
  readonly #cluster: KubernetesCluster;
  #marked = 0;

  /** @param volume the folder that is the pods' volume */
  constructor(cluster: KubernetesCluster, volume: string, name: string) {
    this.#cluster = cluster;
    this.name = name;
    this.run = join(volume, 'runs', name);
  }

  kubectl(...args: string[]): string {
    return this.#cluster.kubectl(['--namespace', 'training', ...args]);
  }

  /** Those that don't end yet, the oldest first. */
  pods(component: 'coordinator' | 'worker'): readonly Pod[] {
    const labels = `app.kubernetes.io/instance=${this.name},app.kubernetes.io/component=${component}`;
    const list = this.kubectl(
      'get',
      'pods',
      '--selector',
      labels,
      '--sort-by=.metadata.creationTimestamp',
      '-o',
      'json',
    );
    return (JSON.parse(list).items as Pod[]).filter(
      ({ status: { phase } }) => phase === 'Pending' || phase === 'Running',
    );
  }

  async coordinator(): Promise<Pod> {
    return this.until('the coordinator runs', () => {
      return this.pods('coordinator').find(({ status, metadata }) => {
        return status.phase === 'Running' && metadata.deletionTimestamp === undefined;
      });
    });
  }

  /** Waits until so many workers have joined, and no others are there. */
  async workers(count: number): Promise<readonly Pod[]> {
    return this.until(`${count} workers have joined`, () => {
      const pods = this.pods('worker');
      return pods.length === count && pods.every(isReady) && pods;
    });
  }

  /** Waits until some more steps are in the log. */
  async advances(): Promise<void> {
    const from = this.step;
    await this.until('the run advances', () => this.step >= from + SOME_STEPS);
  }

  async until<T>(what: string, look: () => T | false | undefined): Promise<T> {
    return eventually(() => `${what}:\n${this.#state()}`, look, { limitMs: LIMIT_MS, pollMs: POLL_MS });
  }

  /** Waits for the condition of a Job that has ended. @returns Complete or Failed, with its reason */
  async ended(component: 'coordinator' | 'worker'): Promise<string> {
    return this.until(`the job of the ${component} ends`, () => {
      const job = JSON.parse(this.kubectl('get', 'job', `lockstep-${component}-${this.name}`, '-o', 'json')) as Job;
      const condition = job.status.conditions?.find(
        ({ type, status }) => /^(Complete|Failed)$/.test(type) && status === 'True',
      );
      return condition && [condition.type, condition.reason].filter(Boolean).join(' ');
    });
  }

  /** The newest step in the log; 0 before the first one. */
  get step(): number {
    return this.#lines().at(-1)?.step ?? 0;
  }

  get attempts(): readonly Attempt[] {
    return manifestOf(this.run).attempts as readonly Attempt[];
  }

  /** Now something happens to it. */
  mark(): void {
    this.#marked = Date.now();
  }

  /** The longest time without a new step since then, in seconds. */
  longestPause(): number {
    const times = this.#lines().map(({ timings: { at } }) => at);
    const first = times.findIndex((at) => at >= this.#marked);
    assert.ok(first > 0, 'steps were done before and since');
    const since = [this.#marked, ...times.slice(first)];
    return Math.max(...times.slice(first).map((at, i) => at - (since[i] as number))) / 1000;
  }

  #lines(): readonly Step[] {
    const log = join(this.run, 'steps.jsonl');
    if (!existsSync(log)) return [];
    const lines = readFileSync(log, 'utf8').split('\n');
    // What follows the last line feed is still being written.
    return lines.slice(0, -1).map((line) => JSON.parse(line) as Step);
  }

  #state(): string {
    const logs = this.pods('coordinator').map(({ metadata: { name } }) => {
      return this.#cluster.tryKubectl(['--namespace', 'training', 'logs', '--tail=20', name]);
    });
    return [this.kubectl('get', 'nodes,jobs,pods', '-o', 'wide'), ...logs].join('\n');
  }
}

function isReady({ status, metadata }: Pod): boolean {
  const { conditions = [] } = status;
  return (
    metadata.deletionTimestamp === undefined &&
    conditions.some(({ type, status: is }) => type === 'Ready' && is === 'True')
  );
}
