import type { Registry } from 'prom-client';
import { collectedCounter, collectedGauge } from '../prometheus/collected.ts';

/** Samples of single steps on their way to a remote write receiver. */
export interface SampleCounts {
  readonly sent: number;
  readonly dropped: number;
  readonly pending: number;
}

/** Registers the families of remote write; `counts` are read at each scrape. */
export function registerRemoteWriteFamilies(registry: Registry, counts: SampleCounts): void {
  collectedCounter(registry, {
    name: 'lockstep_remote_write_samples_total',
    help: 'Samples of single steps for the remote write receiver, by outcome: sent (the receiver took them) or dropped.',
    labelNames: ['outcome'],
    samples: () => (['sent', 'dropped'] as const).map((outcome) => ({ labels: { outcome }, value: counts[outcome] })),
  });
  collectedGauge(registry, {
    name: 'lockstep_remote_write_pending_samples',
    help: 'Samples of single steps that wait for the remote write receiver.',
    labelNames: [],
    samples: () => [{ labels: {}, value: counts.pending }],
  });
}
