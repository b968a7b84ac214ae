import type { WebSocket } from 'ws';
import type { WeightsVersion } from '../../shared/engine/executor.ts';
import { printable } from '../../shared/util/printable.ts';
import { CLOSE_CODES, type CloseCode } from '../../shared/wire/close-codes.ts';
import { bytesOf } from '../../shared/wire/floats.ts';
import { FrameBuffers } from '../../shared/wire/frame-buffers.ts';
import { encode } from '../../shared/wire/frames.ts';
import type { Meter } from '../../shared/wire/link.ts';
import type { CoordinatorMessage } from '../../shared/wire/messages.ts';
import type { Seal } from '../../shared/wire/seal.ts';
import type { LeaveReason } from '../train/observer.ts';
import type { Cluster } from './cluster.ts';
import { CrashBudget } from './crash-budget.ts';
import type { Assignment } from './member.ts';
import { HEARTBEAT_SECONDS, NodeConnection } from './node-connection.ts';
import type { OutgoingFrame } from './remote-node.ts';
import { type NodeFigures, newFigures } from './self-report.ts';

/** How long a node that is gone keeps its name, and those that are remembered at the most. */
const FORGET_MS = 300_000;
const MAX_REMEMBERED = 256;

/** What every node of a run is told, and held to. */
export interface RunDescription {
  readonly welcome: Omit<CoordinatorMessage<'welcome'>, 'type' | 'heartbeatSeconds'>;
  readonly numerics: string;
  readonly selfTest: string;
  /** The data set's files, to send to nodes that lack it. */
  readonly dataParts: () => readonly Uint8Array[];
}

/** A node as people see it. */
export interface NodeInfo {
  readonly name: string;
  readonly threads: number;
  readonly figures: NodeFigures;
}

/** What went over the wire so far. */
export interface WireCounts {
  readonly bytes: Meter;
  /** Nodes that came back. */
  reconnects: number;
  /** Connections that this side closed, by the rule that was broken. */
  readonly rejected: Map<CloseCode, number>;
}

export interface NodeRegistryOptions {
  readonly cluster: Cluster;
  readonly run: RunDescription;
  readonly onJoin: (info: NodeInfo) => void;
  /** `why` in words. */
  readonly onLeave: (info: NodeInfo, reason: LeaveReason, why: string) => void;
  /** It has told how many of its threads are up, and they are others than before. */
  readonly onWorkers: (info: NodeInfo, ready: number) => void;
  /** It has been gone for minutes: its name is free again. */
  readonly onForget: (name: string) => void;
  /** Milliseconds. */
  readonly now?: () => number;
}

/** What is kept of a node while it is gone. */
export interface NodeRecord {
  readonly name: string;
  readonly budget: CrashBudget;
  readonly figures: NodeFigures;
  /** Since when; undefined while it is here. */
  goneAt: number | undefined;
}

/** All nodes that have come in, each from its hello to its last word. */
export class NodeRegistry {
  readonly counts: WireCounts = {
    bytes: { sent: 0, received: 0 },
    reconnects: 0,
    // All of them, or nobody could see the first of each: an increase begins at a value.
    rejected: new Map(CLOSE_CODES.map((code) => [code, 0])),
  };
  readonly #options: NodeRegistryOptions;
  readonly #connections = new Set<NodeConnection>();
  readonly #known = new Map<string, NodeRecord>();
  readonly #heartbeat: NodeJS.Timeout;
  readonly #buffers = new FrameBuffers();
  readonly #now: () => number;
  #frame: WeightsFrame | undefined;

  constructor(options: NodeRegistryOptions) {
    this.#options = options;
    this.#now = options.now ?? (() => performance.now());
    this.#heartbeat = setInterval(() => {
      for (const connection of this.#connections) connection.beat();
      this.#forget();
    }, 1000 * HEARTBEAT_SECONDS);
    this.#heartbeat.unref();
  }

  /** A connection that has proved that it may come in. */
  enter(socket: WebSocket, seal: Seal): void {
    const connection: NodeConnection = new NodeConnection(socket, seal, {
      ...this.#options,
      meter: this.counts.bytes,
      meet: (identity, host) => this.#meet(identity, host),
      weightsFrame: (assignment) => this.#weightsFrame(assignment),
      onReady: ({ identity }) => {
        // The same node again: its old connection is dead, though nobody has noticed yet.
        for (const other of this.#connections) if (other !== connection && other.identity === identity) other.replace();
        const record = this.#known.get(identity);
        if (record !== undefined) record.goneAt = undefined;
      },
      onGone: (identity, rule) => {
        this.#connections.delete(connection);
        if (rule !== undefined) this.reject(rule);
        const isElsewhere = [...this.#connections].some((other) => other.identity === identity);
        const record = identity === undefined ? undefined : this.#known.get(identity);
        if (record === undefined || isElsewhere) return;
        record.goneAt = this.#now();
        record.figures.vitals = undefined;
      },
    });
    this.#connections.add(connection);
  }

  /** Counts a connection that was closed for what it did. */
  reject(rule: CloseCode): void {
    this.counts.rejected.set(rule, (this.counts.rejected.get(rule) ?? 0) + 1);
  }

  farewell(reason: 'runOver' | 'stopping'): void {
    clearInterval(this.#heartbeat);
    for (const connection of this.#connections) connection.farewell(reason);
  }

  /** A node has said who it is: it has the name that it had, or its host's, numbered where that is taken. */
  #meet(identity: string, host: string): NodeRecord {
    const known = this.#known.get(identity);
    if (known !== undefined) {
      this.counts.reconnects++;
      return known;
    }
    const taken = new Set(['local', ...[...this.#known.values()].map(({ name }) => name)]);
    const plain = printable(host);
    let name = plain;
    for (let number = 2; taken.has(name); number++) name = `${plain}-${number}`;
    const met: NodeRecord = { name, budget: new CrashBudget(), figures: newFigures(), goneAt: this.#now() };
    this.#known.set(identity, met);
    return met;
  }

  #forget(): void {
    const gone = [...this.#known].filter(([, { goneAt }]) => goneAt !== undefined);
    const surplus = gone.length - MAX_REMEMBERED;
    // Maps keep the order in which nodes were met: the oldest go first.
    for (const [index, [identity, { name, goneAt = 0 }]] of gone.entries()) {
      if (index >= surplus && this.#now() - goneAt < FORGET_MS) continue;
      this.#known.delete(identity);
      this.#options.cluster.shardCounts.delete(name);
      this.#options.onForget(name);
    }
  }

  /** One immutable copy for all nodes: shared memory would change under a socket that is slow to send. */
  #weightsFrame({ t, weights }: Assignment): OutgoingFrame {
    if (this.#frame?.of !== weights || this.#frame.t !== t) {
      const before = this.#frame;
      const message = { type: 'weights', version: t, body: bytesOf(weights.values) } as const;
      this.#frame = { of: weights, t, bytes: encode(message, (bytes) => this.#buffers.take(bytes)), sending: 0 };
      this.#reuse(before);
    }
    const frame = this.#frame;
    frame.sending++;
    const onSent = (): void => {
      frame.sending--;
      this.#reuse(frame);
    };
    return { bytes: frame.bytes, onSent };
  }

  #reuse(frame: WeightsFrame | undefined): void {
    if (frame !== undefined && frame !== this.#frame && frame.sending === 0) this.#buffers.give(frame.bytes);
  }
}

interface WeightsFrame {
  readonly of: WeightsVersion;
  readonly t: number;
  readonly bytes: Buffer;
  /** Sockets that haven't sent it yet; one that breaks before stays among them. */
  sending: number;
}
