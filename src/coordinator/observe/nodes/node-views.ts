import type { NodeState, NodeView } from '../../../shared/live/feed.ts';
import type { LeaveReason, RunEvent, StepObserver } from '../../train/observer.ts';
import type { NodeCounts } from '../prometheus/node-families.ts';
import { RateMeter } from './rate-meter.ts';

/** Reads the outcomes of a node's shards so far, and what its process uses. */
type NodeReader = () => Pick<NodeCounts, 'shards' | 'processorSeconds' | 'memoryBytes'>;

/** The nodes of a run as people see them: what each does, and what its process uses. */
export class NodeViews implements StepObserver {
  readonly #shardSize: number;
  readonly #ticks: () => number;
  readonly #nodes = new Map<string, Node>();

  /** @param ticks milliseconds, by a clock that nobody sets */
  constructor(shardSize: number, ticks = (): number => performance.now()) {
    this.#shardSize = shardSize;
    this.#ticks = ticks;
  }

  /** Reads a node's counts for each view. */
  watch(name: string, read: NodeReader): void {
    const node = this.#nodes.get(name);
    if (node === undefined) this.#nodes.set(name, new Node(name, read, this.#ticks));
    else node.read = read;
  }

  forget(name: string): void {
    this.#nodes.delete(name);
  }

  onEvent(event: RunEvent): void {
    if (event.kind === 'workers') this.#nodes.get(event.node)?.count(event.counts);
    else if (event.kind === 'joined') this.#nodes.get(event.node)?.join();
    else if (event.kind === 'gone') this.#nodes.get(event.node)?.leave(event.reason);
  }

  /** Over the last seconds. */
  get recent(): NodeView[] {
    return this.#all.map((node) => node.recent(this.#shardSize));
  }

  /** Means over the time for which each node was there, and the largest memory that was seen. */
  get overall(): NodeView[] {
    return this.#all.map((node) => node.overall(this.#shardSize));
  }

  get #all(): Node[] {
    return [...this.#nodes.values()];
  }
}

class Node {
  read: NodeReader;
  readonly #name: string;
  #counts = { ready: 0, starting: 0 };
  /** Why it left; undefined: it takes part. */
  #gone: LeaveReason | undefined;
  readonly #samples = new RateMeter();
  readonly #processor: RateMeter;
  /** Its processor time when it was first seen. */
  readonly #processorBefore: number;
  /** Milliseconds for which it has been there, without those since `#since`. */
  #there = 0;
  #since: number;
  readonly #ticks: () => number;
  #largestMemory: number | undefined;

  constructor(name: string, read: NodeReader, ticks: () => number) {
    this.#name = name;
    this.read = read;
    this.#ticks = ticks;
    this.#since = ticks();
    this.#processorBefore = read().processorSeconds;
    this.#processor = new RateMeter(this.#processorBefore);
  }

  count(counts: { readonly ready: number; readonly starting: number }): void {
    this.#counts = counts;
  }

  join(): void {
    if (this.#gone !== undefined) this.#since = this.#ticks();
    this.#gone = undefined;
  }

  leave(reason: LeaveReason): void {
    this.#there = this.#millisecondsThere;
    this.#gone = reason;
  }

  recent(shardSize: number): NodeView {
    const { processorSeconds, samples, ...view } = this.#view(shardSize);
    this.#samples.reached(samples);
    this.#processor.reached(processorSeconds);
    return { ...view, speed: this.#samples.perSecond, processors: this.#processor.perSecond };
  }

  overall(shardSize: number): NodeView {
    const { processorSeconds, samples, ...view } = this.#view(shardSize);
    const perSecond = (total: number): number => (1000 * total) / Math.max(1, this.#millisecondsThere);
    return {
      ...view,
      speed: perSecond(samples),
      processors: perSecond(processorSeconds - this.#processorBefore),
      memoryBytes: this.#largestMemory,
    };
  }

  #view(shardSize: number) {
    const { shards, processorSeconds, memoryBytes } = this.read();
    const { done, late, lost } = shards;
    if (memoryBytes !== undefined) this.#largestMemory = Math.max(memoryBytes, this.#largestMemory ?? 0);
    const work = { samples: (done + late) * shardSize, processorSeconds };
    return { name: this.#name, state: this.#state, ...this.#counts, memoryBytes, done, late, lost, ...work };
  }

  get #state(): NodeState {
    if (this.#gone !== undefined) return this.#gone === 'left' ? 'left' : 'lost';
    return this.#counts.ready > 0 ? 'ready' : 'starting';
  }

  get #millisecondsThere(): number {
    return this.#gone === undefined ? this.#there + this.#ticks() - this.#since : this.#there;
  }
}
