import { Registry } from 'prom-client';
import { NodeViews } from '../coordinator/observe/nodes/node-views.ts';
import { processIn } from '../coordinator/observe/prometheus/process-families.ts';
import { RunMetrics } from '../coordinator/observe/prometheus/run-metrics.ts';
import { LiveFeed } from '../coordinator/observe/web/live-feed.ts';
import { configShown } from '../coordinator/observe/web/recall.ts';
import { augmentOf } from '../shared/config/augment-option.ts';
import { inputKindOf, shapeOf } from '../shared/data/dataset.ts';
import { dataNote } from '../shared/data/registry.ts';
import { numericsOf } from '../shared/engine/numerics/numerics.ts';
import { headOf } from '../shared/model/kinds.ts';
import { modelOf } from '../shared/model/registry.ts';
import { version } from '../shared/util/version.ts';
import type { TrainingInputs, TrainingJob } from './inputs.ts';

/** What is served of a run. */
export interface Served {
  readonly registry: Registry;
  /** The run's metrics, which are in the registry. */
  readonly metrics: RunMetrics;
  /** Its nodes, for the live page and nodes.json. */
  readonly nodes: NodeViews;
  /** The data of the live page; undefined if it is off. */
  readonly feed: LiveFeed | undefined;
}

/** The registry of a run's metrics and, if the live page is on, its data. */
export function servedOf(
  { id, config, started, resumed }: TrainingJob,
  { dataset, address, kernel }: TrainingInputs,
  name: string,
): Served {
  const layout = modelOf(config);
  const { backend, optimizer, seed, batch, iterations, shardSize, replicas, schedule } = config;
  const registry = new Registry();
  processIn(registry);
  const metrics = new RunMetrics(registry, {
    run: name,
    id,
    model: layout.spec.name,
    dataset: dataset.name,
    backend,
    kernel: kernel.target,
    kernelDiffers: kernel.problem !== undefined,
    optimizer,
    seed,
    batch,
    version: version(),
  });
  const nodes = new NodeViews(shardSize);
  if (address === undefined) return { registry, metrics, nodes, feed: undefined };
  const augment = augmentOf(config, shapeOf(dataset));
  const numerics =
    resumed?.manifest.digests.numerics ??
    numericsOf({ layout, optimizer, augment, replicas, schedule, inputs: inputKindOf(dataset.train) });
  const heading = {
    name,
    started: started.getTime(),
    iterations,
    batch,
    hasAccuracy: headOf(layout.spec.head).hasAccuracy,
    config: configShown(config),
    digests: { dataset: dataset.sha256, numerics },
    dataNote: dataNote(dataset.name),
  };
  return { registry, metrics, nodes, feed: new LiveFeed(heading, nodes) };
}
