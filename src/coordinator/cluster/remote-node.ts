import type { EvaluatedChunks } from '../../shared/engine/evaluation.ts';
import type { TreeNode } from '../../shared/engine/tree.ts';
import { ProtocolError } from '../../shared/util/errors.ts';
import type { CloseCode } from '../../shared/wire/close-codes.ts';
import { floatsOf } from '../../shared/wire/floats.ts';
import type { Link } from '../../shared/wire/link.ts';
import type { FromCoordinator, FromNode, NodeMessage } from '../../shared/wire/messages.ts';
import { type Member, MemberGoneError, type Piece, type PieceResult } from './member.ts';

export interface RemoteNodeOptions {
  readonly name: string;
  /** Its identity, which it keeps when it connects again. */
  readonly identity: string;
  readonly threads: number;
  readonly parameters: number;
  readonly testSamples: number;
  readonly chunkSize: number;
  readonly link: Link<FromNode, FromCoordinator>;
  /** The encoded weights of a step, made once for all nodes. */
  readonly weightsFrame: (piece: Piece) => OutgoingFrame;
}

/** An encoded message, which several connections may share. */
export interface OutgoingFrame {
  readonly bytes: Uint8Array;
  readonly onSent: () => void;
}

interface Pending {
  readonly piece: Piece;
  readonly since: number;
  /** Of an evaluation. */
  readonly id: number;
  readonly resolve: (result: PieceResult) => void;
  readonly reject: (error: Error) => void;
}

/** A node behind a connection as a member. What it answers is checked against what it was asked. */
export class RemoteNode implements Member {
  readonly name: string;
  readonly identity: string;
  readonly threads: number;
  readonly #options: RemoteNodeOptions;
  /** Of the weights that it was sent last. */
  #version: number | undefined;
  #pending: Pending | undefined;
  #evaluations = 0;
  #gone = false;

  constructor(options: RemoteNodeOptions) {
    this.#options = options;
    this.name = options.name;
    this.identity = options.identity;
    this.threads = options.threads;
  }

  work(piece: Piece): Promise<PieceResult> {
    if (this.#gone) return Promise.reject(new MemberGoneError(`${this.name} is gone.`));
    const { link, weightsFrame } = this.#options;
    if (this.#version !== piece.t) {
      const { bytes, onSent } = weightsFrame(piece);
      link.sendEncoded(bytes, onSent);
    }
    this.#version = piece.t;
    const { kind, t: step, nodes } = piece;
    const id = kind === 'gradient' ? step : this.#evaluations++;
    if (kind === 'gradient') link.send({ type: 'work', step, version: step, nodes });
    else link.send({ type: 'evaluate', id, version: step, chunks: spanOf(nodes) });
    return new Promise((resolve, reject) => {
      this.#pending = { piece, id, resolve, reject, since: performance.now() };
    });
  }

  /** For how long it has owed an answer. */
  get pendingMs(): number {
    return this.#pending === undefined ? 0 : performance.now() - this.#pending.since;
  }

  expel(closeCode: CloseCode, what: string): void {
    this.#options.link.close(closeCode, what);
  }

  /** @throws ProtocolError where it isn't what the node was asked for */
  receive(message: NodeMessage<'partials' | 'evaluated'>): void {
    const pending = this.#expect(message.type === 'partials' ? 'gradient' : 'evaluate');
    // What throws here leaves the piece pending, until the connection is lost and others get it.
    const result = message.type === 'partials' ? this.#partials(pending, message) : this.#chunks(pending, message);
    this.#pending = undefined;
    pending.resolve(result);
  }

  /** The node failed at its piece, and lives. @throws ProtocolError where it has none */
  failed(message: string): void {
    const { piece, reject } = this.#expect(this.#pending?.piece.kind);
    this.#pending = undefined;
    reject(new Error(`${this.name} failed at step ${piece.t + 1}: ${message}`));
  }

  /** The connection is closed. */
  lost(): void {
    this.#gone = true;
    this.#pending?.reject(new MemberGoneError(`${this.name} is gone.`));
    this.#pending = undefined;
  }

  #expect(kind: Piece['kind'] | undefined): Pending {
    const pending = this.#pending;
    if (pending === undefined || pending.piece.kind !== kind) throw unexpected('a result that it was not asked for');
    return pending;
  }

  #partials({ piece }: Pending, message: NodeMessage<'partials'>): PieceResult {
    const { step, nodes, seconds, sampleSeconds: sample, reduceSeconds: reduce, body } = message;
    const { parameters } = this.#options;
    if (step !== piece.t || !areSame(nodes, piece.nodes)) {
      throw badResult(`of step ${step} and the nodes ${JSON.stringify(nodes)}`);
    }
    const partials = nodes.map(({ begin, end, lossSum, correct }, i) => ({
      ...{ node: { begin, end }, lossSum, correct },
      copyTo: (target: Float32Array) => floatsOf(body, i * parameters, target),
    }));
    const phases = { sample, compute: Math.max(0, seconds - sample - reduce), reduce };
    return { kind: 'gradient', partials, seconds, phases };
  }

  #chunks(
    { piece, id }: Pending,
    { id: answered, chunks, losses, seconds, body }: NodeMessage<'evaluated'>,
  ): PieceResult {
    const { testSamples, chunkSize } = this.#options;
    if (answered !== id || !areSame([chunks], [spanOf(piece.nodes)])) {
      throw badResult(`of evaluation ${answered} and the chunks ${JSON.stringify(chunks)}`);
    }
    const sampleOf = (chunk: number): number => Math.min(testSamples, chunk * chunkSize) - chunks.begin * chunkSize;
    const results: EvaluatedChunks[] = piece.nodes.map((node) => ({
      node,
      losses: losses.slice(node.begin - chunks.begin, node.end - chunks.begin),
      // A copy: the message's bytes don't last.
      predictions: Uint8Array.from(body.subarray(sampleOf(node.begin), sampleOf(node.end))),
    }));
    return { kind: 'evaluate', chunks: results, seconds };
  }
}

/** From the first to the last of consecutive nodes. */
function spanOf(nodes: readonly TreeNode[]): TreeNode {
  return { begin: (nodes[0] as TreeNode).begin, end: (nodes.at(-1) as TreeNode).end };
}

function areSame(a: readonly TreeNode[], b: readonly TreeNode[]): boolean {
  return a.length === b.length && a.every(({ begin, end }, i) => begin === b[i]?.begin && end === b[i]?.end);
}

function badResult(what: string): ProtocolError {
  return new ProtocolError(`The node sent a result ${what}, which isn't what it was asked for.`, {
    closeCode: 'badResult',
  });
}

function unexpected(what: string): ProtocolError {
  return new ProtocolError(`The node sent ${what}.`, { closeCode: 'unexpected' });
}
