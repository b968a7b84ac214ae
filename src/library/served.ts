import { Registry } from 'prom-client';
import { processIn } from '../coordinator/observe/prometheus/process-families.ts';
import { RunMetrics } from '../coordinator/observe/prometheus/run-metrics.ts';
import { LiveFeed } from '../coordinator/observe/web/live-feed.ts';
import { configShown } from '../coordinator/observe/web/recall.ts';
import { dataNote } from '../shared/data/registry.ts';
import { numericsDigest } from '../shared/engine/wasm/exports.ts';
import { version } from '../shared/util/version.ts';
import type { TrainingInputs, TrainingJob } from './inputs.ts';

/** What is served of a run. */
export interface Served {
  readonly registry: Registry;
  /** The run's metrics, which are in the registry. */
  readonly metrics: RunMetrics;
  /** The data of the live page; undefined if it is off. */
  readonly feed: LiveFeed | undefined;
}

/** The registry of a run's metrics and, if the live page is on, its data. */
export function servedOf({ config, started }: TrainingJob, { dataset, address }: TrainingInputs, name: string): Served {
  const { backend, optimizer, seed, batch, iterations, shardSize } = config;
  const registry = new Registry();
  processIn(registry);
  const metrics = new RunMetrics(registry, {
    run: name,
    model: 'lenet5',
    dataset: dataset.name,
    backend,
    optimizer,
    seed,
    batch,
    version: version(),
  });
  if (address === undefined) return { registry, metrics, feed: undefined };
  const feed = new LiveFeed({
    name,
    started: started.getTime(),
    iterations,
    batch,
    shardSize,
    config: configShown(config),
    digests: { dataset: dataset.sha256, numerics: numericsDigest() },
    dataNote: dataNote(dataset.name),
  });
  return { registry, metrics, feed };
}
