import type { KerasValue } from '../../shared/model/formats/keras.ts';
import { headOf, kindOf } from '../../shared/model/kinds.ts';
import type { LayerLayout } from '../../shared/model/layers/placed-layer.ts';
import { isVector, type Shape, sameShape } from '../../shared/model/shape.ts';
import { littleEndianBytes } from '../../shared/util/safetensors.ts';
import { KerasModel } from './keras-model.ts';
import { type Network, PRODUCER, weightsOf } from './network.ts';

export const MODEL_FILE = 'model.json';
export const WEIGHTS_FILE = 'weights.bin';

interface TfjsFiles {
  /** What `tf.loadLayersModel` is given; it names the other one. */
  readonly model: Uint8Array;
  /** Little-endian float32, one tensor after the other. */
  readonly weights: Uint8Array;
}

/**
 * The network as a tfjs layers model of stock layers: samples [N][height][width][maps], or [N][units] if they are vectors, to
 * what the head makes of them [N][classes]. https://www.tensorflow.org/js/guide/save_load
 */
export function encodeTfjs(network: Network): TfjsFiles {
  const { layout, version, metadata } = network;
  const { input, head, name } = layout.spec;
  const keras = new KerasModel();
  const sides = isVector(input) ? [input.maps] : [input.height, input.width, input.maps];
  const image = keras.add('image', 'InputLayer', [], { batch_input_shape: [null, ...sides], sparse: false });
  const values = addLayers(keras, network, { name: image, shape: input });
  const output = headOf(head).keras(keras, head, values);
  const model = {
    format: 'layers-model',
    generatedBy: `${PRODUCER} ${version}`,
    convertedBy: null,
    userDefinedMetadata: metadata,
    modelTopology: keras.topology(name, image, output),
    weightsManifest: [
      { paths: [WEIGHTS_FILE], weights: keras.weights.map(({ name, shape }) => ({ name, shape, dtype: 'float32' })) },
    ],
  };
  return {
    model: Buffer.from(`${JSON.stringify(model)}\n`),
    weights: Buffer.concat(keras.weights.map(({ values }) => littleEndianBytes(values))),
  };
}

function addLayers(keras: KerasModel, network: Network, input: KerasValue): KerasValue {
  const outputs: KerasValue[] = [];
  const { layers } = network.layout;
  for (const layer of layers) {
    const own = keras.within(layer.spec.name);
    const x = layer.sources.map((source, i) =>
      taken(own, layer, source === -1 ? input : (outputs[source] as KerasValue), i),
    );
    outputs.push(addLayer(own, layer, x, network));
  }
  const { spec, output } = layers.at(-1) as LayerLayout;
  return inOrder(keras.within(spec.name), outputs.at(-1) as KerasValue, output);
}

function addLayer(keras: KerasModel, layer: LayerLayout, x: readonly KerasValue[], network: Network): KerasValue {
  const kind = kindOf(layer.spec);
  const name = kind.keras(keras, layer, x, weightsOf(layer, network));
  if (kind.isElementwise) return { name, shape: (x[0] as KerasValue).shape };
  const isStack = kind.takes === 'stacks' && kind.gives !== 'vectors' && isVector(layer.output);
  return { name: isStack ? keras.add('vector', 'Flatten', [name]) : name, shape: layer.output };
}

/** A layer's input as it takes it. */
function taken(keras: KerasModel, { spec, inputs }: LayerLayout, x: KerasValue, input: number): KerasValue {
  const { takes, isElementwise } = kindOf(spec);
  if (isElementwise || takes === 'vectors') return x;
  const shape = inputs[input] as Shape;
  const value = inOrder(keras, x, shape);
  if (takes !== 'stacks' || !isVector(shape)) return value;
  return { name: keras.add('stack', 'Reshape', [value.name], { target_shape: [1, 1, shape.maps] }), shape };
}

/** A stack that the model has flattened as a vector, map by map. */
function inOrder(keras: KerasModel, x: KerasValue, shape: Shape): KerasValue {
  if (sameShape(x.shape, shape)) return x;
  const mapsFirst = keras.add('maps_first', 'Permute', [x.name], { dims: [3, 1, 2] });
  return { name: keras.add('flat', 'Flatten', [mapsFirst]), shape };
}
