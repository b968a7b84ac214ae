import type { SavedModel } from '../coordinator/run/saved-model.ts';
import { Inspector, type OutputTrace } from '../inspect/activations/inspector.ts';
import { refuseOverflow } from '../inspect/activations/overflow.ts';
import { readNetwork } from '../inspect/features/network.ts';
import { FeaturePool } from '../inspect/features/pool.ts';
import { runtimeName } from '../inspect/features/runtime.ts';
import { compileInspector } from '../shared/engine/wasm/exports.ts';
import { shapeSize } from '../shared/model/shape.ts';
import { UsageError } from '../shared/util/errors.ts';
import type { Print } from '../shared/util/notice.ts';
import { pictures } from './predict.ts';

/** A picture with what the model makes of its features, or the reason why it can't be used. */
export type PredictedPicture = { readonly file: string } & (
  | { readonly trace: OutputTrace }
  | { readonly problem: string }
);

export interface PredictFeaturesOptions {
  /** The file of the network that computed the training set's features. */
  readonly features: string;
  readonly print: Print;
}

/**
 * Predicts pictures in order by their features, computed as those that the model was trained on.
 * @throws UsageError if the model wasn't trained on the features of this network, ModelError if the network can't be run, PackageError
 * if pictures can't be decoded or networks can't be run here, CheckpointError if the weights are so large that their sums overflow
 */
export async function* predictFeatures(
  { layout, weights, checkpoint }: SavedModel,
  files: readonly string[],
  { features, print }: PredictFeaturesOptions,
): AsyncGenerator<PredictedPicture> {
  const { preparation, file: weightsFile } = checkpoint;
  if (preparation?.kind !== 'features') {
    throw new UsageError(`--features: ${weightsFile} wasn't trained on the features of a network. Leave it out.`);
  }
  const { layer, network: expected } = preparation;
  const network = await readNetwork(features, { layer, expected });
  const runtime = await runtimeName();
  if (runtime !== preparation.runtime) {
    print(
      `Note: features are computed by ${runtime}, those of the training set were by ${preparation.runtime}.`,
      'warn',
    );
  }
  const { sample: input, resize, normalization } = preparation;
  const inspector = new Inspector(compileInspector(), layout, { inputs: 'float32' });
  inspector.setWeights(weights);
  const pool = await FeaturePool.open(network, normalization, 1);
  try {
    const prepared = pictures(files.map((file) => ({ file, input, preparation: { kind: 'pictures', resize } })));
    for await (const { file, ...picture } of prepared) {
      if ('problem' in picture) {
        yield { file, problem: picture.problem };
        continue;
      }
      const own = await pool.featuresOf(picture.sample, input);
      if (own.length !== shapeSize(layout.input)) {
        throw new UsageError(
          `${weightsFile}: ${layout.spec.name} takes ${shapeSize(layout.input)} features, but ${features} has ${own.length}.`,
        );
      }
      const trace = own.every(Number.isFinite) ? inspector.show(own) : undefined;
      if (trace !== undefined) refuseOverflow([trace.probabilities ?? trace.outputs], weightsFile);
      yield trace === undefined ? { file, problem: "its features aren't finite" } : { file, trace };
    }
  } finally {
    await pool.close();
  }
}
