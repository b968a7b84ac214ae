// What a coordinator says of its run, checked before this node computes it.
import { z } from 'zod';
import { parseLoss } from '../../shared/config/loss-options.ts';
import { trainSchema } from '../../shared/config/schema.ts';
import { augmentRefusal } from '../../shared/engine/augmentations/registry.ts';
import { layoutOf, type ModelLayout } from '../../shared/model/layout.ts';
import { parseModel } from '../../shared/model/parse.ts';
import { checkFits } from '../../shared/model/registry.ts';
import { parseJson } from '../../shared/util/json.ts';
import { ProtocolError } from '../../shared/wire/protocol-error.ts';
import type { ComputeConfig } from './compute.ts';
import type { Welcome } from './session.ts';

const ConfigSchema = z.strictObject(
  Object.fromEntries(
    (['batch', 'shardSize', 'seed', 'augment'] as const).map((key) => [key, trainSchema.shape[key]]),
  ) as Pick<typeof trainSchema.shape, 'batch' | 'shardSize' | 'seed' | 'augment'>,
);

/** @throws ProtocolError if options or model can't be used */
export function configOf(welcome: Welcome): ComputeConfig {
  const { config, samples, sample } = welcome;
  const parsed = ConfigSchema.safeParse(config);
  const { augment } = parsed.data ?? {};
  const isFitting = augment !== undefined && augmentRefusal(augment, sample) === undefined;
  if (!parsed.success || !isFitting || parsed.data.batch % parsed.data.shardSize !== 0) {
    throw new ProtocolError("This node can't use the run's config.", { closeCode: 'malformed' });
  }
  const { seed, augment: _, ...rest } = parsed.data;
  return {
    ...rest,
    layout: layoutIn(welcome),
    inputs: sample.inputs,
    sampler: { samples, batch: rest.batch, seed, augment },
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
