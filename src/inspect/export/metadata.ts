import { type CheckpointInfo, CheckpointMetadata, weightsSha256 } from '../../shared/checkpoint/checkpoint.ts';
import { datasetText, namedSetOf } from '../../shared/data/registry.ts';
import { canonicalJson } from '../../shared/util/canonical-json.ts';
import { type Network, PRODUCER } from './network.ts';

/** Where weights come from: enough of a checkpoint to make one of them again. */
export type Origin = Pick<CheckpointInfo, 'step' | 'config' | 'digests'>;

const OriginMetadata = CheckpointMetadata.pick({ step: true, config: true, digests: true });

/** The metadata of an exported file, as texts by name. `run` is the run's name, if it is known. */
export function metadataOf(
  { layout, weights, version }: Omit<Network, 'metadata'>,
  { step, config, digests }: Origin,
  run: string | undefined,
): Record<string, string> {
  const set = namedSetOf(digests.dataset);
  return {
    producer: `${PRODUCER} ${version}`,
    ...(run === undefined ? {} : { run }),
    step: String(step),
    model: layout.spec.name,
    head: layout.spec.head.kind,
    ...(set === undefined ? {} : { trainedOn: datasetText(set.name) }),
    weightsSha256: weightsSha256(weights),
    config: canonicalJson(config),
    digests: canonicalJson(digests),
  };
}

/** The origin in a file's metadata; undefined if there is none that can be read. */
export function originIn(metadata: Readonly<Record<string, string>>): Origin | undefined {
  const parsed = OriginMetadata.safeParse(metadata);
  return parsed.success ? parsed.data : undefined;
}
