import type { Dataset } from '../../shared/data/dataset.ts';
import type { FindOptions } from '../../shared/data/open.ts';
import type { FeaturePreparation } from '../../shared/data/preparation.ts';
import { shapeText } from '../../shared/model/shape.ts';
import { UsageError } from '../../shared/util/errors.ts';
import { callerPath } from '../../shared/util/paths.ts';
import { Terminal } from '../terminal/terminal.ts';

export interface FeatureFlags {
  readonly features?: string | undefined;
  readonly layer?: string | undefined;
  readonly normalize?: string | undefined;
}

/**
 * What opens a data set as the features of --features; undefined if that isn't given.
 * @throws UsageError if options don't go together; ModelError if the network can't be used
 */
export async function extractorOf(
  { features, layer, normalize }: FeatureFlags,
  { out, pack }: { readonly out: string | undefined; readonly pack: string | undefined },
): Promise<((source: Omit<FindOptions, 'print' | 'show'>) => Promise<Dataset>) | undefined> {
  const { env } = process;
  if (features === undefined) {
    const [alone] =
      Object.entries({ '--layer': layer, '--normalize': normalize }).find(([, value]) => value !== undefined) ?? [];
    if (alone !== undefined)
      throw new UsageError(`${alone} has no effect without --features: name a network (.onnx) by that.`);
    return undefined;
  }
  if (pack === undefined) throw new UsageError('--features: name the file that gets them by --pack.');
  if (out !== undefined)
    throw new UsageError('--out draws pictures, and features are none: leave it out with --features.');
  // Loaded if it is needed.
  const { readNetwork } = await import('../../inspect/features/network.ts');
  const { normalizationOf } = await import('../../inspect/features/normalization.ts');
  const { openFeatures } = await import('../../inspect/features/dataset.ts');
  const network = await readNetwork(callerPath(features, env), { layer });
  const normalization = normalizationOf(normalize, network.input.shape.maps);
  const terminal = new Terminal({ stream: process.stderr, env, now: () => performance.now() });
  const [print, show] = [(line: string) => terminal.print(line), (text: string) => terminal.showText(text)];
  return (source) => openFeatures({ ...source, print, show }, network, normalization);
}

/** How the features of a data set were computed. */
export function featuresText({ network, layer, sample, resize, normalization, runtime }: FeaturePreparation): string[] {
  const { mean, deviation } = normalization;
  return [
    `features    ${layer} of ${network.file}, by ${runtime}`,
    `network     sha256 ${network.sha256}`,
    `pictures    ${shapeText(sample)} (${resize}), mean ${mean.join(',')}, deviation ${deviation.join(',')}`,
  ];
}
