import {
  type CheckpointInfo,
  CheckpointMetadata,
  type KnownSamples,
  samplesMetadata,
  weightsSha256,
} from '../../shared/checkpoint/checkpoint.ts';
import { datasetText, nameOf, standIn } from '../../shared/data/registry.ts';
import { canonicalJson } from '../../shared/util/canonical-json.ts';
import { type Network, PRODUCER } from './network.ts';

/** Where weights come from: enough of a checkpoint to make one of them again. */
export type Origin = Pick<CheckpointInfo, 'step' | 'config' | 'digests'> & KnownSamples;

const OriginMetadata = CheckpointMetadata.pick({
  ...{ step: true, config: true, digests: true },
  ...{ classes: true, inputs: true, preparation: true },
});

/** The metadata of an exported file, as texts by name. `run` is the run's name, if it is known. */
export function metadataOf(
  { layout, weights, version }: Omit<Network, 'metadata'>,
  { step, config, digests, ...samples }: Origin,
  run: string | undefined,
): Record<string, string> {
  const set = standIn(nameOf(digests.dataset));
  return {
    producer: `${PRODUCER} ${version}`,
    ...(run === undefined ? {} : { run }),
    step: String(step),
    model: layout.spec.name,
    spec: canonicalJson(layout.spec),
    head: layout.spec.head.kind,
    ...(set === undefined ? {} : { trainedOn: datasetText(set.name) }),
    weightsSha256: weightsSha256(weights),
    config: canonicalJson(config),
    digests: canonicalJson(digests),
    ...samplesMetadata(samples),
  };
}

/** The origin in a file's metadata; undefined if there is none that can be read. */
export function originIn(metadata: Readonly<Record<string, string>>): Origin | undefined {
  const parsed = OriginMetadata.safeParse(metadata);
  if (!parsed.success) return undefined;
  const { classes: classNames, ...origin } = parsed.data;
  return { ...origin, classNames };
}
