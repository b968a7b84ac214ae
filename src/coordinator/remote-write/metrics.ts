import { Counter, Gauge, type Registry } from 'prom-client';

/** Samples of single steps on their way to a remote write receiver. */
export interface SampleCounts {
  readonly sent: number;
  readonly dropped: number;
  readonly pending: number;
}

/** Registers the families of remote write, whose values are taken from where they are kept at each scrape. */
export function remoteWriteIn(registry: Registry, counts: SampleCounts): void {
  const registers = [registry];
  new Counter({
    name: 'lockstep_remote_write_samples_total',
    help: 'Samples of single steps for the remote write receiver, by outcome: sent (it took them) or dropped.',
    labelNames: ['outcome'],
    registers,
    collect() {
      this.reset();
      for (const outcome of ['sent', 'dropped'] as const) this.inc({ outcome }, counts[outcome]);
    },
  });
  new Gauge({
    name: 'lockstep_remote_write_pending_samples',
    help: 'Samples of single steps that wait for the remote write receiver.',
    registers,
    collect() {
      this.set(counts.pending);
    },
  });
}
