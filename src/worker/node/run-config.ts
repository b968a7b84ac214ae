// What a coordinator says of its run, checked before this node computes it.
import { z } from 'zod';
import { parseLoss } from '../../shared/config/loss-options.ts';
import { GRADIENT_KEYS, REPLICA_KEYS } from '../../shared/config/node-options.ts';
import { type OptionKey, trainSchema } from '../../shared/config/schema.ts';
import { augmentRefusal } from '../../shared/engine/augmentations/registry.ts';
import { replicasOf } from '../../shared/engine/replica.ts';
import { layoutOf, type ModelLayout } from '../../shared/model/layout.ts';
import { parseModel } from '../../shared/model/parse.ts';
import { checkFits } from '../../shared/model/registry.ts';
import { parseJson } from '../../shared/util/json.ts';
import { ProtocolError } from '../../shared/wire/protocol-error.ts';
import type { ComputeConfig } from './compute.ts';
import type { Welcome } from './session.ts';

const shapeOf = <Key extends OptionKey>(keys: readonly Key[]): Pick<typeof trainSchema.shape, Key> =>
  Object.fromEntries(keys.map((key) => [key, trainSchema.shape[key]])) as Pick<typeof trainSchema.shape, Key>;

const Gradients = z.strictObject(shapeOf([...GRADIENT_KEYS, 'augment']));
const Rounds = z
  .strictObject(shapeOf([...GRADIENT_KEYS, ...REPLICA_KEYS, 'augment']))
  .required({ warmup: true, weightDecay: true });

/** @throws ProtocolError if options or model can't be used */
export function configOf(welcome: Welcome): ComputeConfig {
  const { config, samples, sample } = welcome;
  const rounds = 'replicas' in config ? Rounds.safeParse(config) : undefined;
  const { data } = rounds ?? Gradients.safeParse(config);
  const replicas = rounds?.data?.replicas ?? 1;
  const { augment } = data ?? {};
  const isFitting = augment !== undefined && augmentRefusal(augment, sample) === undefined;
  if (data === undefined || !isFitting || data.batch % (replicas * data.shardSize) !== 0) {
    throw new ProtocolError("This node can't use the run's config.", { closeCode: 'malformed' });
  }
  const { batch, shardSize, seed } = data;
  const layout = layoutIn(welcome);
  return {
    batch: batch / replicas,
    shardSize,
    replicas: rounds?.data && replicasOf(rounds.data, layout),
    layout,
    inputs: sample.inputs,
    sampler: { samples, batch, seed, augment },
  };
}

/** Whatever the error is: the coordinator's spec has caused it. */
export function unusableModel(cause: Error): ProtocolError {
  return new ProtocolError(`This node can't use the run's model: ${cause.message}`, { closeCode: 'malformed', cause });
}

function layoutIn({ body, freeze, sample }: Welcome): ModelLayout {
  try {
    const { loss, ...spec } = parseJson(new TextDecoder('utf-8', { fatal: true }).decode(body)) as { loss?: unknown };
    const layout = { ...layoutOf(parseModel(spec, undefined, "the run's model"), freeze), loss: parseLoss(loss) };
    checkFits(layout, sample);
    return layout;
  } catch (error) {
    throw unusableModel(error as Error);
  }
}
