import type { SavedModel } from '../../coordinator/run/saved-model.ts';
import { predictFeatures } from '../../library/predict-features.ts';
import { print } from '../print.ts';
import { JsonOutput, nameOf, type Output, type Source, TextOutput } from './output.ts';

export interface FeaturesOptions {
  /** The network's file. */
  readonly features: string;
  readonly json: boolean;
  readonly source: Source;
}

/** Predicts pictures by their features. @returns whether all could be read */
export async function predictByFeatures(
  model: SavedModel,
  files: readonly string[],
  { features, json, source }: FeaturesOptions,
): Promise<boolean> {
  const { checkpoint, layout } = model;
  const names = checkpoint.classNames;
  const output: Output = json ? new JsonOutput(source, names) : new TextOutput(files.length, layout.input, names);
  let failures = 0;
  for await (const picture of predictFeatures(model, files, { features, print })) {
    const { file } = picture;
    if ('problem' in picture) {
      failures++;
      print(`${nameOf(picture)}: ${picture.problem}.`);
      output.image(picture);
    } else output.image({ file, ...picture.trace });
  }
  output.end();
  return failures === 0;
}
