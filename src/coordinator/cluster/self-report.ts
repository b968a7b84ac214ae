import type { NodeMessage } from '../../shared/wire/messages.ts';
import { ProtocolError } from '../../shared/wire/protocol-error.ts';

/** Threads of a node whose samples are counted apart; the last count has those of all others too. */
export const MAX_THREADS_SHOWN = 64;

/** What a node has reported about itself, over all of its connections. */
export interface NodeFigures {
  /** Threads that crashed. */
  workersLost: number;
  /** Processor time of its process, of all threads. */
  processorSeconds: number;
  /** [threads, at most MAX_THREADS_SHOWN]: samples whose gradients each thread has computed. */
  readonly workerSamples: number[];
  /** Its latest report; undefined while it isn't connected. */
  vitals: { readonly memoryBytes: number; readonly eventLoopLagSeconds: number } | undefined;
}

export function newFigures(): NodeFigures {
  return { workersLost: 0, processorSeconds: 0, workerSamples: [], vitals: undefined };
}

/** Adds the pongs of one connection, whose counts begin with it, to the node's figures. */
export class SelfReport {
  readonly #figures: NodeFigures;
  readonly #samples: number[];
  #lost = 0;
  #processorSeconds = 0;

  constructor(figures: NodeFigures, threads: number) {
    this.#figures = figures;
    this.#samples = Array.from({ length: threads }, () => 0);
    const shown = Math.min(threads, MAX_THREADS_SHOWN);
    while (figures.workerSamples.length < shown) figures.workerSamples.push(0);
  }

  /** @throws ProtocolError if the report can't be true: other threads than the hello's, or a count that falls */
  take(pong: NodeMessage<'pong'>): void {
    const { memoryBytes, processorSeconds, eventLoopLagSeconds, workersReady, workersLost, workerSamples } = pong;
    const threads = this.#samples.length;
    if (workerSamples.length !== threads || workersReady > threads) {
      throw badReport(
        `of ${workerSamples.length} threads, ${workersReady} of them ready, but its hello said ${threads}`,
      );
    }
    const falls = workerSamples.some((samples, worker) => samples < (this.#samples[worker] as number));
    if (falls || workersLost < this.#lost || processorSeconds < this.#processorSeconds)
      throw badReport('with a count that falls');
    for (const [worker, samples] of workerSamples.entries()) {
      const shown = Math.min(worker, MAX_THREADS_SHOWN - 1);
      const before = this.#figures.workerSamples[shown] as number;
      this.#figures.workerSamples[shown] = before + samples - (this.#samples[worker] as number);
      this.#samples[worker] = samples;
    }
    this.#figures.workersLost += workersLost - this.#lost;
    this.#lost = workersLost;
    this.#figures.processorSeconds += processorSeconds - this.#processorSeconds;
    this.#processorSeconds = processorSeconds;
    this.#figures.vitals = { memoryBytes, eventLoopLagSeconds };
  }
}

function badReport(what: string): ProtocolError {
  return new ProtocolError(`The node sent a pong ${what}.`, { closeCode: 'badResult' });
}
