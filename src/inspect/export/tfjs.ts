import { tfjsParameters, valuesOf } from '../../shared/engine/tfjs/weights.ts';
import type { LayerLayout, ModelLayout } from '../../shared/model/layout.ts';
import { type DenseSpec, type RbfHeadSpec, TANH_AMPLITUDE, TANH_SLOPE } from '../../shared/model/spec.ts';
import { littleEndianBytes } from '../../shared/util/safetensors.ts';
import { firstVectorLayer, type Network, PRODUCER, parametersOf, WINDOW } from './network.ts';

export const MODEL_FILE = 'model.json';
export const WEIGHTS_FILE = 'weights.bin';

interface TfjsFiles {
  /** What `tf.loadLayersModel` is given; it names the other one. */
  readonly model: Uint8Array;
  /** Little-endian float32, one tensor after the other. */
  readonly weights: Uint8Array;
}

/** A layer of Keras, by the name of its class there, with its weights. */
interface KerasLayer {
  readonly class_name: string;
  readonly config: Readonly<Record<string, unknown>> & { readonly name: string };
  readonly weights: readonly KerasWeight[];
}

interface KerasWeight {
  readonly name: string;
  readonly shape: readonly number[];
  readonly values: Float32Array;
}

const CHANNELS_LAST = { data_format: 'channels_last', dilation_rate: [1, 1], padding: 'valid' };

/**
 * The network as a tfjs layers model of stock layers: images [N][height][width][1] in 0..1 to probabilities [N][classes].
 * https://www.tensorflow.org/js/guide/save_load
 */
export function encodeTfjs(network: Network): TfjsFiles {
  const { layout, version, metadata } = network;
  const vectors = firstVectorLayer(layout);
  const layers = [
    ...inputLayers(layout),
    // tfjs flattens row by row, column by column, the maps last: kernelOf follows.
    ...layout.layers.flatMap((layer) => [
      ...(layer === vectors ? [kerasLayer('Flatten', { name: 'flat' })] : []),
      ...kerasLayers(layer, network),
    ]),
  ];
  const weights = layers.flatMap((layer) => layer.weights);
  const config = { name: layout.spec.name, layers: layers.map(({ weights: _, ...layer }) => layer) };
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
  return [
    kerasLayer('InputLayer', { name: 'image', batch_input_shape: [null, height, width, 1], sparse: false }),
    kerasLayer('ZeroPadding2D', {
      name: 'padded',
      padding: [
        [padding, padding],
        [padding, padding],
      ],
      data_format: 'channels_last',
    }),
  ];
}

function kerasLayers(layer: LayerLayout, network: Network): KerasLayer[] {
  const { spec } = layer;
  switch (spec.kind) {
    case 'conv':
      return [convLayer(layer, spec.kernel, network)];
    case 'subsample':
      return subsampleLayers(layer, network);
    case 'dense':
      return denseLayers(layer, spec, network);
    case 'softmax':
      return [denseLayer(layer, 'softmax', network)];
    case 'rbf':
      return [rbfLayer(spec)];
  }
}

function convLayer(layer: LayerLayout, kernel: number, { layout, weights }: Network): KerasLayer {
  const { name } = layer.spec;
  const [filter, bias] = tfjsParameters({ ...layout, layers: [layer] }).map((parameter, i) => ({
    name: `${name}/${i === 0 ? 'kernel' : 'bias'}`,
    shape: parameter.shape,
    values: valuesOf(parameter, weights),
  })) as [KerasWeight, KerasWeight];
  const config = { filters: layer.output.maps, kernel_size: [kernel, kernel], strides: [1, 1], use_bias: true };
  return kerasLayer('Conv2D', { name, ...config, activation: 'linear', ...CHANNELS_LAST }, [filter, bias]);
}

function subsampleLayers(layer: LayerLayout, network: Network): KerasLayer[] {
  const { name } = layer.spec;
  const { maps } = layer.output;
  const [coefficient, bias] = parametersOf(layer, network);
  const pool = { pool_size: [2, 2], strides: [2, 2], padding: 'valid', data_format: 'channels_last' };
  const config = { kernel_size: [1, 1], depth_multiplier: 1, strides: [1, 1], use_bias: true };
  return [
    kerasLayer('AveragePooling2D', { name: `${name}_means`, ...pool }),
    kerasLayer('DepthwiseConv2D', { name, ...config, activation: 'relu', ...CHANNELS_LAST }, [
      { name: `${name}/depthwise_kernel`, shape: [1, 1, maps, 1], values: coefficient.map((c) => WINDOW * c) },
      { name: `${name}/bias`, shape: [maps], values: bias },
    ]),
  ];
}

function denseLayers(layer: LayerLayout, { name, activation }: DenseSpec, network: Network): KerasLayer[] {
  if (activation === 'relu') return [denseLayer(layer, 'relu', network)];
  return [
    denseLayer(layer, 'linear', network),
    kerasLayer('Rescaling', { name: `${name}_scaled`, scale: TANH_SLOPE, offset: 0 }),
    kerasLayer('Activation', { name: `${name}_tanh`, activation: 'tanh' }),
    kerasLayer('Rescaling', { name: `${name}_amplified`, scale: TANH_AMPLITUDE, offset: 0 }),
  ];
}

function denseLayer(layer: LayerLayout, activation: string, network: Network): KerasLayer {
  const { name } = layer.spec;
  const [weight, bias] = parametersOf(layer, network);
  const units = bias.length;
  const kernel = { name: `${name}/kernel`, shape: [weight.length / units, units], values: kernelOf(layer, weight) };
  return kerasLayer('Dense', { name, units, activation, use_bias: true }, [
    kernel,
    { name: `${name}/bias`, shape: [units], values: bias },
  ]);
}

/** From [unit][map][row][column] to [row][column][map][unit], the order in which tfjs flattens. */
function kernelOf({ input, output }: LayerLayout, weight: Float32Array): Float32Array {
  const places = input.height * input.width;
  const kernel = new Float32Array(weight.length);
  let next = 0;
  for (let unit = 0; unit < output.maps; unit++) {
    for (let map = 0; map < input.maps; map++) {
      for (let place = 0; place < places; place++) {
        kernel[(place * input.maps + map) * output.maps + unit] = weight[next++] as number;
      }
    }
  }
  return kernel;
}

/**
 * softmax(-y) of the distances y_i = |x|^2 - 2 w_i x + |w_i|^2, in which |x|^2 is the same for every class and cancels: what
 * is left is a dense layer.
 */
function rbfLayer({ name, targets, classes }: RbfHeadSpec): KerasLayer {
  const units = targets[0]?.length ?? 0;
  const kernel = Float32Array.from({ length: units * classes }, (_, i) => {
    const target = targets[i % classes] as readonly number[];
    return 2 * (target[Math.floor(i / classes)] as number);
  });
  const norms = Float32Array.from(targets, (target) => -target.reduce((sum, w) => sum + w * w, 0));
  return kerasLayer('Dense', { name, units: classes, activation: 'softmax', use_bias: true }, [
    { name: `${name}/kernel`, shape: [units, classes], values: kernel },
    { name: `${name}/bias`, shape: [classes], values: norms },
  ]);
}

function kerasLayer(className: string, config: KerasLayer['config'], weights: readonly KerasWeight[] = []): KerasLayer {
  return { class_name: className, config: { ...config, trainable: true, dtype: 'float32' }, weights };
}
