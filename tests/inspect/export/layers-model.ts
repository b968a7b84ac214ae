import type { Tfjs } from '#src/shared/engine/tfjs/api.js';
import type { Tensor } from '#src/shared/model/formats/tensorflow.js';

interface LayersModel {
  readonly userDefinedMetadata: Readonly<Record<string, string>>;
  predict(images: Tensor, options: { readonly batchSize: number }): Tensor;
  dispose(): void;
}

/** What tests use of tfjs' layers. */
export type LayersTfjs = Tfjs & { loadLayersModel(url: string): Promise<LayersModel> };
