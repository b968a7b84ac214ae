import type { KerasLayer } from '../../shared/model/formats/keras.ts';
import { kindOf } from '../../shared/model/kinds.ts';
import type { ModelLayout } from '../../shared/model/layout.ts';
import { littleEndianBytes } from '../../shared/util/safetensors.ts';
import { firstVectorLayer, type Network, PRODUCER, weightsOf } from './network.ts';

export const MODEL_FILE = 'model.json';
export const WEIGHTS_FILE = 'weights.bin';

interface TfjsFiles {
  /** What `tf.loadLayersModel` is given; it names the other one. */
  readonly model: Uint8Array;
  /** Little-endian float32, one tensor after the other. */
  readonly weights: Uint8Array;
}

/**
 * The network as a tfjs layers model of stock layers: images [N][height][width][1] in 0..1 to probabilities [N][classes].
 * https://www.tensorflow.org/js/guide/save_load
 */
export function encodeTfjs(network: Network): TfjsFiles {
  const { layout, version, metadata } = network;
  const vectors = firstVectorLayer(layout);
  const layers: KerasLayer[] = [
    ...inputLayers(layout),
    // tfjs flattens row by row, column by column, the maps last: the weights of dense layers follow.
    ...layout.layers.flatMap((layer) => [
      ...(layer === vectors ? [{ className: 'Flatten', config: { name: 'flat' } }] : []),
      ...kindOf(layer.spec).keras(layer, weightsOf(layer, network)),
    ]),
  ];
  const weights = layers.flatMap((layer) => layer.weights ?? []);
  const config = {
    name: layout.spec.name,
    layers: layers.map(({ className, config }) => ({
      class_name: className,
      config: { ...config, trainable: true, dtype: 'float32' },
    })),
  };
  const model = {
    format: 'layers-model',
    generatedBy: `${PRODUCER} ${version}`,
    convertedBy: null,
    userDefinedMetadata: metadata,
    modelTopology: { class_name: 'Sequential', config, keras_version: '2.3.0', backend: 'tensorflow' },
    weightsManifest: [
      { paths: [WEIGHTS_FILE], weights: weights.map(({ name, shape }) => ({ name, shape, dtype: 'float32' })) },
    ],
  };
  return {
    model: Buffer.from(`${JSON.stringify(model)}\n`),
    weights: Buffer.concat(weights.map(({ values }) => littleEndianBytes(values))),
  };
}

function inputLayers({ spec }: ModelLayout): KerasLayer[] {
  const { height, width, padding } = spec.input;
  const both = [padding, padding];
  return [
    { className: 'InputLayer', config: { name: 'image', batch_input_shape: [null, height, width, 1], sparse: false } },
    {
      className: 'ZeroPadding2D',
      config: { name: 'padded', padding: [both, both], data_format: 'channels_last' },
    },
  ];
}
