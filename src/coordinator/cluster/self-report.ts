import { ProtocolError } from '../../shared/util/errors.ts';
import type { NodeMessage } from '../../shared/wire/messages.ts';

/** What a node has told of itself, over all of its connections. */
export interface NodeFigures {
  /** Threads that crashed. */
  workersLost: number;
  /** [threads]: samples that each computed gradients of. */
  readonly workerSamples: number[];
  /** How it was when it last told; undefined while it isn't here. */
  vitals: { readonly memoryBytes: number; readonly eventLoopLagSeconds: number } | undefined;
}

export function newFigures(): NodeFigures {
  return { workersLost: 0, workerSamples: [], vitals: undefined };
}

/** The pongs of one connection, whose counts begin with it: they add to the node's figures. */
export class SelfReport {
  readonly #figures: NodeFigures;
  readonly #samples: number[];
  #lost = 0;

  constructor(figures: NodeFigures, threads: number) {
    this.#figures = figures;
    this.#samples = Array.from({ length: threads }, () => 0);
    while (figures.workerSamples.length < threads) figures.workerSamples.push(0);
  }

  /** @throws ProtocolError where it can't be: of other threads than the hello's, or a count that falls */
  take({ memoryBytes, eventLoopLagSeconds, workersReady, workersLost, workerSamples }: NodeMessage<'pong'>): void {
    const threads = this.#samples.length;
    if (workerSamples.length !== threads || workersReady > threads) {
      throw badReport(
        `of ${workerSamples.length} threads, ${workersReady} of them ready, where its hello said ${threads}`,
      );
    }
    const falls = workerSamples.some((samples, worker) => samples < (this.#samples[worker] as number));
    if (falls || workersLost < this.#lost) throw badReport('with a count that falls');
    for (const [worker, samples] of workerSamples.entries()) {
      const before = this.#figures.workerSamples[worker] as number;
      this.#figures.workerSamples[worker] = before + samples - (this.#samples[worker] as number);
      this.#samples[worker] = samples;
    }
    this.#figures.workersLost += workersLost - this.#lost;
    this.#lost = workersLost;
    this.#figures.vitals = { memoryBytes, eventLoopLagSeconds };
  }
}

function badReport(what: string): ProtocolError {
  return new ProtocolError(`The node sent a pong ${what}.`, { closeCode: 'badResult' });
}
