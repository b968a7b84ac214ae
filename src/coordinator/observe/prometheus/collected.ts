import { Counter, Gauge, type Registry } from 'prom-client';

/** A family whose values are read at each scrape. */
export interface CollectedFamily {
  readonly name: string;
  readonly help: string;
  readonly labelNames: readonly string[];
  readonly samples: () => readonly Sample[];
}

export interface Sample {
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

export function collectedCounter(registry: Registry, { name, help, labelNames, samples }: CollectedFamily): void {
  new Counter({
    name,
    help,
    labelNames: [...labelNames],
    registers: [registry],
    collect() {
      this.reset();
      for (const { labels, value } of samples()) this.inc(labels, value);
    },
  });
}

export function collectedGauge(registry: Registry, { name, help, labelNames, samples }: CollectedFamily): void {
  new Gauge({
    name,
    help,
    labelNames: [...labelNames],
    registers: [registry],
    collect() {
      this.reset();
      for (const { labels, value } of samples()) this.set(labels, value);
    },
  });
}
