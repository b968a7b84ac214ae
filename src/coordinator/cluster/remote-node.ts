import { type EvaluatedChunks, EvaluationChunks, type EvaluationSizes } from '../../shared/engine/evaluation.ts';
import { RoundFigures } from '../../shared/engine/round-figures.ts';
import { vectorsOf } from '../../shared/engine/state.ts';
import type { ShardRange } from '../../shared/engine/tree.ts';
import type { StateVectors } from '../../shared/engine/update.ts';
import type { CloseCode } from '../../shared/wire/close-codes.ts';
import { floatsOf, uint16Of } from '../../shared/wire/floats.ts';
import type { Link } from '../../shared/wire/link.ts';
import type { FromCoordinator, FromNode, NodeMessage } from '../../shared/wire/messages.ts';
import { ProtocolError } from '../../shared/wire/protocol-error.ts';
import { type Assignment, type AssignmentResult, type Member, MemberGoneError } from './member.ts';

/** Heartbeats for each step in which a node must compute the answer to an assignment; others have done it long before. */
const ANSWER_BEATS = 60;
/** A loss is never negative, but rounding may leave one of 0 a little below. */
const MIN_LOSS = -1e-3;

export interface RemoteNodeOptions extends EvaluationSizes {
  readonly name: string;
  /** The node's identity, which it keeps when it connects again. */
  readonly identity: string;
  readonly threads: number;
  readonly parameters: number;
  readonly vectors: number;
  readonly shardSize: number;
  /** Of a replica's step. */
  readonly shards: number;
  readonly replicas: number;
  readonly classes: number;
  readonly hasAccuracy: boolean;
  /** The largest loss of one sample. */
  readonly maxLoss: number;
  readonly link: Link<FromNode, FromCoordinator>;
  /** The encoded weights for an assignment, made once for all nodes. */
  readonly weightsFrame: (assignment: Assignment) => OutgoingFrame;
}

/** An encoded message, which several connections may share. */
export interface OutgoingFrame {
  readonly bytes: Uint8Array;
  readonly onSent: () => void;
}

interface Pending {
  readonly assignment: Assignment;
  /** The order's number among those of this connection, from 1 on. */
  readonly order: number;
  /** Heartbeats since the node said that the order has come. */
  beats: number | undefined;
  /** The step, or the evaluation's id. */
  readonly id: number;
  readonly resolve: (result: AssignmentResult) => void;
  readonly reject: (error: Error) => void;
}

/** A remote node as a member. Its answers are checked against what it was asked. */
export class RemoteNode implements Member {
  readonly name: string;
  readonly identity: string;
  readonly threads: number;
  readonly #options: RemoteNodeOptions;
  /** The version of the weights that the node was sent last. */
  #version: number | undefined;
  #pending: Pending | undefined;
  #evaluations = 0;
  #orders = 0;
  #ordersHeard = 0;
  #gone = false;

  constructor(options: RemoteNodeOptions) {
    this.#options = options;
    this.name = options.name;
    this.identity = options.identity;
    this.threads = options.threads;
  }

  work(assignment: Assignment): Promise<AssignmentResult> {
    if (this.#gone) return Promise.reject(new MemberGoneError(`${this.name} is gone.`));
    const { link, weightsFrame } = this.#options;
    if (this.#version !== assignment.t) {
      const { bytes, onSent } = weightsFrame(assignment);
      link.sendEncoded(bytes, onSent);
    }
    this.#version = assignment.t;
    const { kind, t: step, steps, ranges } = assignment;
    const id = kind === 'evaluate' ? this.#evaluations++ : step;
    if (kind === 'gradient') link.send({ type: 'work', step, version: step, ranges });
    else if (kind === 'replica') link.send({ type: 'round', step, steps, version: step, ranges });
    else link.send({ type: 'evaluate', id, version: step, chunks: spanOf(ranges) });
    return new Promise((resolve, reject) => {
      this.#pending = { assignment, id, order: ++this.#orders, beats: undefined, resolve, reject };
    });
  }

  /** A heartbeat has passed. */
  beat(): void {
    if (this.#pending?.beats !== undefined) this.#pending.beats++;
  }

  /**
   * The node reports how many orders have come. Weights before an order, and the answer after it, may take any time on a slow link; but
   * a report that comes before the answer was sent before it, so that the node was still computing.
   * @throws ProtocolError if it computes for too long, or the number can't be
   */
  heard({ orders }: NodeMessage<'pong'>): void {
    if (orders > this.#orders || orders < this.#ordersHeard) {
      throw new ProtocolError(`The node sent a pong of ${orders} orders among ${this.#orders}.`, {
        closeCode: 'badResult',
      });
    }
    this.#ordersHeard = orders;
    const pending = this.#pending;
    if (pending?.order !== orders) return;
    pending.beats ??= 0;
    if (pending.beats > ANSWER_BEATS * pending.assignment.steps)
      throw new ProtocolError('it owes an answer', { closeCode: 'timeout' });
  }

  expel(closeCode: CloseCode, what: string): void {
    this.#options.link.close(closeCode, what);
  }

  /** @throws ProtocolError if it isn't what the node was asked for */
  receive(message: NodeMessage<'partials' | 'states' | 'evaluated'>): void {
    const pending = this.#expect(ANSWERED[message.type]);
    // If this throws, the assignment stays pending until the connection is closed and others get it.
    const result = this.#resultOf(pending, message);
    this.#pending = undefined;
    pending.resolve(result);
  }

  #resultOf(pending: Pending, message: NodeMessage<'partials' | 'states' | 'evaluated'>): AssignmentResult {
    if (message.type === 'partials') return this.#partials(pending, message);
    return message.type === 'states' ? this.#states(pending, message) : this.#chunks(pending, message);
  }

  /** The node failed at its assignment, and lives. @throws ProtocolError if it has another one, or none */
  failed({ kind, id, message }: NodeMessage<'failed'>): void {
    const { assignment, reject, ...pending } = this.#expect(kind === 'step' ? this.#stepKind : 'evaluate');
    if (id !== pending.id) throw badResult(`of ${kind} ${id}`);
    this.#pending = undefined;
    reject(new Error(`${this.name} failed at step ${assignment.t + 1}: ${message}`));
  }

  /** The node's connection is closed. */
  lost(): void {
    this.#gone = true;
    this.#pending?.reject(new MemberGoneError(`${this.name} is gone.`));
    this.#pending = undefined;
  }

  #expect(kind: Assignment['kind']): Pending {
    const pending = this.#pending;
    if (pending === undefined || pending.assignment.kind !== kind) throw unexpected();
    return pending;
  }

  get #stepKind(): Assignment['kind'] {
    return this.#options.replicas === 1 ? 'gradient' : 'replica';
  }

  #states({ assignment }: Pending, message: NodeMessage<'states'>): AssignmentResult {
    const { step, steps, ranges, seconds, body } = message;
    const { parameters, vectors } = this.#options;
    if (step !== assignment.t || steps !== assignment.steps || !areSame(ranges, assignment.ranges)) {
      const names = ranges.map(({ begin, end }) => ({ begin, end }));
      throw badResult(`of ${steps} steps after step ${step} and the replicas ${JSON.stringify(names)}`);
    }
    const partials = ranges.map(({ figures: words, ...range }, i) => {
      const figures = new RoundFigures(Float64Array.from(words));
      this.#checkFigures(figures, range);
      const copyTo = (target: StateVectors): void => {
        for (const [j, vector] of vectorsOf(target).entries()) floatsOf(body, (i * vectors + j) * parameters, vector);
      };
      return { range, figures, copyTo };
    });
    const { sampleSeconds: sample, reduceSeconds: reduce, updateSeconds: update } = message;
    const phases = { sample, compute: Math.max(0, seconds - sample - reduce - update), reduce, update };
    return { kind: 'replica', partials, seconds, phases };
  }

  /** @throws ProtocolError if no replicas of that range can have found that */
  #checkFigures(figures: RoundFigures, { begin, end }: ShardRange): void {
    const { shards, shardSize, replicas, maxLoss } = this.#options;
    const samples = (end - begin) * shards * shardSize;
    const { failedAt, moved, steps } = figures;
    if (failedAt !== Number.POSITIVE_INFINITY) {
      const replica = failedAt % replicas;
      const isThere = Number.isInteger(failedAt) && failedAt >= 0 && failedAt < steps * replicas;
      if (!isThere || replica < begin || replica >= end) throw badResult(`of a failure at ${failedAt}`);
      // It is computed again.
      return;
    }
    if (!(moved >= 0 && moved < Number.POSITIVE_INFINITY)) throw badResult(`of weights that moved by ${moved}`);
    for (let step = 0; step < steps; step++) {
      const { lossSum, correct, gradientNorm } = figures.at(step);
      if (!Number.isInteger(correct) || correct < 0 || correct > samples) {
        throw badResult(`of ${correct} correct samples among ${samples}`);
      }
      checkLoss(lossSum, samples, maxLoss);
      if (!(gradientNorm >= 0 && gradientNorm < Number.POSITIVE_INFINITY)) {
        throw badResult(`of a gradient norm of ${gradientNorm}`);
      }
    }
  }

  #partials({ assignment }: Pending, message: NodeMessage<'partials'>): AssignmentResult {
    const { step, ranges, seconds, sampleSeconds: sample, reduceSeconds: reduce, body } = message;
    const { parameters, shardSize } = this.#options;
    if (step !== assignment.t || !areSame(ranges, assignment.ranges)) {
      throw badResult(`of step ${step} and the shard ranges ${JSON.stringify(ranges)}`);
    }
    for (const { begin, end, lossSum, correct } of ranges) {
      const samples = (end - begin) * shardSize;
      if (correct > samples) throw badResult(`of ${correct} correct samples among ${samples}`);
      // One that isn't finite is computed again, with its gradient.
      if (Number.isFinite(lossSum)) checkLoss(lossSum, samples, this.#options.maxLoss);
    }
    const partials = ranges.map(({ begin, end, lossSum, correct }, i) => ({
      range: { begin, end },
      lossSum,
      correct,
      copyTo: (target: Float32Array) => floatsOf(body, i * parameters, target),
    }));
    const phases = { sample, compute: Math.max(0, seconds - sample - reduce), reduce };
    return { kind: 'gradient', partials, seconds, phases };
  }

  #chunks(
    { assignment, id }: Pending,
    { id: answered, chunks, losses, seconds, isPredicted, body }: NodeMessage<'evaluated'>,
  ): AssignmentResult {
    const { chunkSize, classes, hasAccuracy, maxLoss } = this.#options;
    if (answered !== id || !areSame([chunks], [spanOf(assignment.ranges)])) {
      throw badResult(`of evaluation ${answered} and the chunks ${JSON.stringify(chunks)}`);
    }
    for (const loss of losses) checkLoss(loss, chunkSize, maxLoss);
    const predictions = uint16Of(body);
    const stray = predictions.find((predicted) => predicted >= classes);
    if (stray !== undefined) throw badResult(`of class ${stray} among ${classes}`);
    if (isPredicted !== hasAccuracy) throw badResult(isPredicted ? 'with predictions' : 'without predictions');
    const all = new EvaluationChunks(this.#options);
    const sampleOf = (chunk: number): number => all.before(chunk) - all.before(chunks.begin);
    const results: EvaluatedChunks[] = assignment.ranges.map((range) => ({
      range,
      losses: losses.slice(range.begin - chunks.begin, range.end - chunks.begin),
      predictions: hasAccuracy
        ? predictions.subarray(sampleOf(range.begin), sampleOf(range.end))
        : new Uint16Array(sampleOf(range.end) - sampleOf(range.begin)),
    }));
    return { kind: 'evaluate', chunks: results, seconds };
  }
}

/** What a message answers. */
const ANSWERED = { partials: 'gradient', states: 'replica', evaluated: 'evaluate' } as const;

/** The range from the first to the last of consecutive ranges. */
function spanOf(ranges: readonly ShardRange[]): ShardRange {
  return { begin: (ranges[0] as ShardRange).begin, end: (ranges.at(-1) as ShardRange).end };
}

function areSame(a: readonly ShardRange[], b: readonly ShardRange[]): boolean {
  return a.length === b.length && a.every(({ begin, end }, i) => begin === b[i]?.begin && end === b[i]?.end);
}

/** @throws ProtocolError if no losses of so many samples can have that sum */
function checkLoss(lossSum: number, samples: number, maxLoss: number): void {
  if (lossSum >= samples * MIN_LOSS && lossSum <= samples * maxLoss) return;
  throw badResult(`of a loss of ${lossSum} over ${samples} samples`);
}

function badResult(what: string): ProtocolError {
  return new ProtocolError(`The node sent a result ${what}, which can't be what it was asked for.`, {
    closeCode: 'badResult',
  });
}

function unexpected(): ProtocolError {
  return new ProtocolError('The node sent a result that it was not asked for.', { closeCode: 'unexpected' });
}
