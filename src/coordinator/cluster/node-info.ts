import type { Parts } from '../../shared/data/parts.ts';
import type { CoordinatorMessage } from '../../shared/wire/messages.ts';
import type { LeaveReason } from '../train/observer.ts';
import type { CrashBudget } from './crash-budget.ts';
import type { NodeFigures } from './self-report.ts';

/** What the coordinator sends to every node of a run, and what the node's numerics must match. */
export interface RunDescription {
  readonly welcome: Omit<CoordinatorMessage<'welcome'>, 'type' | 'heartbeatSeconds'>;
  /** Samples of a shard, and classes of a sample, which bound what an answer may claim. */
  readonly shardSize: number;
  /** Shards of a replica's step. */
  readonly shards: number;
  readonly replicas: number;
  readonly classes: number;
  /** Whether the model predicts classes, or labels that can be right. */
  readonly hasAccuracy: boolean;
  /** The largest loss of one sample. */
  readonly maxLoss: number;
  /** What decides the run's bits, by name: the first digits of each digest. */
  readonly numerics: Readonly<Record<string, string>>;
  readonly selfTest: string;
  /** The data set's files in parts, to send to nodes that lack it. */
  readonly dataParts: () => Pick<Parts, 'length' | 'at'>;
}

/** A node as people see it. */
export interface NodeInfo {
  readonly name: string;
  readonly threads: number;
  readonly figures: NodeFigures;
}

/** What is kept of a node over its connections, and for some minutes after the last one. */
export interface NodeRecord {
  readonly name: string;
  /** What it calls itself, which several may have in common. */
  readonly host: string;
  readonly budget: CrashBudget;
  readonly figures: NodeFigures;
  /** Milliseconds at which its last connection ended; undefined while it is connected. */
  goneAt: number | undefined;
}

/** Callbacks for nodes that join, change and leave. */
export interface NodeEvents {
  /** A node computes other bits. @param host its name as it says @param why which operation differs */
  readonly onRefused: (host: string, why: string) => void;
  readonly onJoin: (info: NodeInfo) => void;
  /** @param why the cause in words */
  readonly onLeave: (info: NodeInfo, reason: LeaveReason, why: string) => void;
  /** The number of the node's threads that are ready has changed. */
  readonly onWorkers: (info: NodeInfo, ready: number) => void;
  /** The data set is on its way to a node that lacks it. @param progress in words */
  readonly onDownload: (info: NodeInfo, progress: string) => void;
  /** An error that no node should be able to cause. It has ended the connection that it came from, and no other. */
  readonly onFault: (error: Error) => void;
}
