import { arch, cpus, hostname, platform } from 'node:os';
import type { Digests } from '../shared/checkpoint/checkpoint.ts';
import type { TrainConfig } from '../shared/config.ts';
import { version } from './version.ts';

export interface ManifestOptions {
  readonly name: string;
  readonly config: TrainConfig;
  readonly digests: Digests;
  readonly started: Date;
  readonly metricsUrl: string | undefined;
}

/** What run.json says of a run: all that decides its bits, and where it ran. */
export function manifestOf({ name, config, digests, started, metricsUrl }: ManifestOptions): object {
  return {
    name,
    started: started.toISOString(),
    config,
    digests,
    versions: { lockstep: version(), node: process.version, v8: process.versions.v8 },
    host: {
      name: hostname(),
      platform: platform(),
      arch: arch(),
      cpu: cpus()[0]?.model.trim() ?? 'unknown',
      cpus: cpus().length,
    },
    addresses: metricsUrl === undefined ? {} : { metrics: `${metricsUrl}/metrics` },
  };
}
