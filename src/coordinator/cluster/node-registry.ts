import type { WeightsVersion } from '../../shared/engine/executor.ts';
import { vectorsOf } from '../../shared/engine/state.ts';
import { printable } from '../../shared/util/printable.ts';
import { CLOSE_CODES, type CloseCode } from '../../shared/wire/close-codes.ts';
import { bytesOf } from '../../shared/wire/floats.ts';
import { FrameBuffers } from '../../shared/wire/frame-buffers.ts';
import { encode } from '../../shared/wire/frames.ts';
import type { Meter } from '../../shared/wire/link.ts';
import { HEARTBEAT_SECONDS } from '../../shared/wire/messages.ts';
import { ProtocolError } from '../../shared/wire/protocol-error.ts';
import type { Seal } from '../../shared/wire/seal.ts';
import type { Transport } from '../../shared/wire/transport.ts';
import type { Cluster } from './cluster.ts';
import { CrashBudget } from './crash-budget.ts';
import type { Assignment } from './member.ts';
import { NodeConnection } from './node-connection.ts';
import type { NodeEvents, NodeRecord, RunDescription } from './node-info.ts';
import type { OutgoingFrame } from './remote-node.ts';
import { newFigures } from './self-report.ts';

/** How long a node that is gone keeps its name. */
const FORGET_MS = 300_000;
/** The same if another process starts on its host, which then has its name: a pod or job that replaces it. */
const REPLACED_MS = 5_000;
/** Nodes that are gone and remembered. */
const MAX_REMEMBERED = 64;
/** Connections that have authenticated themselves. */
const MAX_NODES = 256;
/** Characters of a node's name, to which a number may be added. */
const MAX_NAME_SHOWN = 63;

/** What went over the wire so far. */
export interface WireCounts {
  readonly bytes: Meter;
  /** Nodes that connected again. */
  reconnects: number;
  /** Connections that this side closed, by the rule that was broken. */
  readonly rejected: Map<CloseCode, number>;
}

export interface NodeRegistryOptions extends NodeEvents {
  readonly cluster: Cluster;
  readonly run: RunDescription;
  /** A node has been gone for minutes: its name is free again. */
  readonly onForget: (name: string) => void;
  /** Milliseconds. */
  readonly now?: () => number;
}

/** All nodes that have connected, and what is remembered of those that are gone. */
export class NodeRegistry {
  readonly counts: WireCounts = {
    bytes: { sent: 0, received: 0 },
    reconnects: 0,
    // All codes from the start, or nobody could see the first of each: an increase begins at a value.
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

  /** Adds an authenticated connection. */
  add(transport: Transport, seal: Seal): void {
    const { cluster, run, onRefused, onJoin, onLeave, onWorkers, onDownload, onFault } = this.#options;
    const connection: NodeConnection = new NodeConnection({
      transport,
      seal,
      cluster,
      run,
      onRefused,
      onJoin,
      onLeave,
      onWorkers,
      onDownload,
      onFault,
      meter: this.counts.bytes,
      register: (identity, host) => this.#register(identity, host),
      weightsFrame: (assignment) => this.#weightsFrame(assignment),
      onReady: (identity) => this.#ready(connection, identity),
      onClose: (identity, rule) => this.#closed(connection, identity, rule),
    });
    this.#connections.add(connection);
  }

  /** Counts a connection that this side closed. */
  countRejection(rule: CloseCode): void {
    this.counts.rejected.set(rule, (this.counts.rejected.get(rule) ?? 0) + 1);
  }

  /** Ends all connections. */
  close(reason: 'runOver' | 'stopping'): void {
    clearInterval(this.#heartbeat);
    for (const connection of this.#connections) connection.end(reason);
  }

  /** The record of a node that says hello: the one that it had, or a new one with its host's name, numbered if that is taken. */
  #register(identity: string, host: string): NodeRecord {
    const known = this.#known.get(identity);
    if (known !== undefined) {
      this.counts.reconnects++;
      return known;
    }
    if (this.#connections.size > MAX_NODES) {
      throw new ProtocolError(`there are ${MAX_NODES} nodes already`, { closeCode: 'tooMany' });
    }
    const plain = printable([...host].slice(0, MAX_NAME_SHOWN).join(''));
    this.#forget(plain);
    const taken = new Set(['local', ...[...this.#known.values()].map(({ name }) => name)]);
    let name = plain;
    for (let number = 2; taken.has(name); number++) name = `${plain}-${number}`;
    const record = { name, host: plain, budget: new CrashBudget(), figures: newFigures(), goneAt: this.#now() };
    this.#known.set(identity, record);
    return record;
  }

  #ready(connection: NodeConnection, identity: string): void {
    // The same node again: its old connection is dead, though nobody has noticed yet.
    for (const other of this.#connections) if (other !== connection && other.identity === identity) other.replace();
    const record = this.#known.get(identity);
    if (record !== undefined) record.goneAt = undefined;
  }

  #closed(connection: NodeConnection, identity: string | undefined, rule: CloseCode | undefined): void {
    this.#connections.delete(connection);
    if (rule !== undefined) this.countRejection(rule);
    const isElsewhere = [...this.#connections].some((other) => other.identity === identity);
    const record = identity === undefined ? undefined : this.#known.get(identity);
    if (record === undefined || isElsewhere) return;
    record.goneAt = this.#now();
    record.figures.vitals = undefined;
  }

  /** @param starting the host of a node that is new, if one is */
  #forget(starting?: string): void {
    const here = new Set([...this.#connections].map(({ identity }) => identity));
    const gone = [...this.#known].filter(([identity, { goneAt }]) => goneAt !== undefined && !here.has(identity));
    const surplus = gone.length - MAX_REMEMBERED;
    // Maps keep the order in which nodes were registered: the oldest go first.
    for (const [index, [identity, { name, host, goneAt = 0 }]] of gone.entries()) {
      if (index >= surplus && this.#now() - goneAt < (host === starting ? REPLACED_MS : FORGET_MS)) continue;
      this.#known.delete(identity);
      this.#options.cluster.shardCounts.delete(name);
      this.#options.onForget(name);
    }
  }

  /** One immutable copy for all nodes: shared memory would change under a connection that is slow to send. */
  #weightsFrame({ t, weights }: Assignment): OutgoingFrame {
    if (this.#frame?.of !== weights || this.#frame.t !== t) {
      const before = this.#frame;
      const message = { type: 'weights', version: t, body: bytesOf(...this.#vectorsOf(weights)) } as const;
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

  /** The moments too if nodes take local steps. */
  #vectorsOf({ values, m, v }: Assignment['weights']): readonly Float32Array[] {
    const isState = this.#options.run.replicas > 1 && m !== undefined;
    return isState ? vectorsOf({ values, m, v }) : [values];
  }

  #reuse(frame: WeightsFrame | undefined): void {
    if (frame !== undefined && frame !== this.#frame && frame.sending === 0) this.#buffers.give(frame.bytes);
  }
}

interface WeightsFrame {
  readonly of: WeightsVersion;
  readonly t: number;
  readonly bytes: Buffer;
  /** Connections that haven't sent it yet; one that breaks before stays among them. */
  sending: number;
}
