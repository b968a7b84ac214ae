import { EventLoopLag } from '../../shared/util/event-loop-lag.ts';
import { processorSeconds } from '../../shared/util/processors.ts';
import type { NodeMessage } from '../../shared/wire/messages.ts';
import type { Compute } from './compute.ts';

/** How this node is, for the coordinator that it is connected to. The counts begin with the connection. */
export class Vitals {
  readonly #threads: number;
  readonly #lag = new EventLoopLag();
  readonly #processorBefore = processorSeconds();
  #compute: Compute | undefined;
  #before: { readonly workersLost: number; readonly workerSamples: readonly number[] } | undefined;

  constructor(threads: number) {
    this.#threads = threads;
  }

  /** Sets what computes; what it did before, it did for another connection or to warm up. */
  begin(compute: Compute): void {
    this.#compute = compute;
    this.#before = { workersLost: compute.workersLost, workerSamples: [...compute.workerSamples] };
  }

  report(): Omit<NodeMessage<'pong'>, 'type' | 'orders'> {
    const { workersReady = 0, workersLost = 0, workerSamples = [] } = this.#compute ?? {};
    return {
      memoryBytes: process.memoryUsage.rss(),
      processorSeconds: processorSeconds() - this.#processorBefore,
      eventLoopLagSeconds: this.#lag.take(),
      workersReady,
      workersLost: workersLost - (this.#before?.workersLost ?? 0),
      workerSamples: Array.from(
        { length: this.#threads },
        (_, worker) => (workerSamples[worker] ?? 0) - (this.#before?.workerSamples[worker] ?? 0),
      ),
    };
  }

  close(): void {
    this.#lag.close();
  }
}
