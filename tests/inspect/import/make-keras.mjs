// Writes the TensorFlow.js models in fixtures/, and beside each the outputs that TensorFlow.js computes:
//     node tests/inspect/import/make-keras.mjs
import { writeFileSync } from 'node:fs';
import * as tf from '@tensorflow/tfjs';
import { encodeSafetensors } from '../../../dist/shared/util/safetensors.js';

const SAMPLES = 3;
const fixtures = new URL('fixtures/', import.meta.url);
const { layers } = tf;

/** "same" at stride 2, every kind of pooling, depthwise kernels, and a norm and a dense layer behind Flatten. */
function sequential() {
  return tf.sequential({
    name: 'tiny',
    layers: [
      layers.conv2d({
        inputShape: [13, 12, 3],
        filters: 6,
        kernelSize: 3,
        strides: 2,
        padding: 'same',
        activation: 'relu',
      }),
      layers.batchNormalization({ momentum: 0.9 }),
      layers.depthwiseConv2d({ kernelSize: [3, 2], depthMultiplier: 2, padding: 'same', activation: 'tanh' }),
      layers.maxPooling2d({ poolSize: 3, strides: 2, padding: 'same' }),
      layers.separableConv2d({ filters: 5, kernelSize: 3, padding: 'same', useBias: false }),
      layers.averagePooling2d({ poolSize: 2, strides: 1, padding: 'same' }),
      layers.flatten(),
      layers.batchNormalization({ scale: false }),
      layers.dropout({ rate: 0.25 }),
      layers.dense({ units: 9, activation: 'sigmoid' }),
      layers.dense({ units: 4, activation: 'softmax' }),
    ],
  });
}

/** Outputs that several layers read, sums, joined maps and vectors, and a sigmoid at the end. */
function functional() {
  const input = tf.input({ shape: [9, 10, 2], name: 'input' });
  const stem = layers.conv2d({ filters: 4, kernelSize: 3, useBias: false, name: 'stem/conv' }).apply(
    layers
      .zeroPadding2d({
        padding: [
          [1, 2],
          [0, 1],
        ],
      })
      .apply(input),
  );
  const left = layers.leakyReLU({ alpha: 0.1 }).apply(layers.batchNormalization({ center: false }).apply(stem));
  const right = layers.conv2d({ filters: 4, kernelSize: 1, name: 'side' }).apply(left);
  const sum = layers.add().apply([stem, left, right]);
  const joined = layers
    .concatenate()
    .apply([layers.maxPooling2d({ poolSize: 2 }).apply(sum), layers.averagePooling2d({ poolSize: 2 }).apply(right)]);
  const norm = layers
    .layerNormalization({ axis: [1, 2, 3] })
    .apply(layers.activation({ activation: 'tanh' }).apply(joined));
  const vectors = layers
    .concatenate()
    .apply([layers.flatten().apply(norm), layers.globalAveragePooling2d({}).apply(sum), layers.flatten().apply(right)]);
  const scaled = layers.layerNormalization({}).apply(layers.reLU().apply(vectors));
  const output = layers.dense({ units: 3, activation: 'sigmoid' }).apply(scaled);
  return tf.model({ inputs: input, outputs: output, name: 'branches' });
}

/** Vectors that are pictures. */
function vectors() {
  return tf.sequential({
    layers: [
      layers.reshape({ inputShape: [48], targetShape: [4, 6, 2] }),
      layers.conv2d({ filters: 3, kernelSize: 2, activation: 'relu' }),
      layers.flatten(),
      layers.dense({ units: 1 }),
    ],
  });
}

function random(first) {
  let seed = first;
  return (shape, low, high) => tf.randomUniform(shape, low, high, 'float32', seed++);
}

function write(name, data) {
  writeFileSync(new URL(name, fixtures), data);
}

async function save(name, model, uniform, loss) {
  // Variances and factors of norms around 1.
  model.setWeights(
    model.weights.map(({ name, shape }) =>
      /gamma|variance/.test(name) ? uniform(shape, 0.5, 1.5) : uniform(shape, -0.4, 0.4),
    ),
  );
  if (loss !== undefined) model.compile({ loss, optimizer: 'sgd' });
  const inputs = uniform([SAMPLES, ...model.inputs[0].shape.slice(1)], 0, 1);
  const outputs = model.predict(inputs);
  // Samples are [maps][rows][columns] here.
  const [maps] = inputs.shape.slice(-1);
  const first =
    inputs.rank === 4 ? inputs.transpose([0, 3, 1, 2]) : inputs.reshape([SAMPLES, 4, 6, 2]).transpose([0, 3, 1, 2]);
  await model.save(
    tf.io.withSaveHandler(async ({ modelTopology, weightSpecs, weightData }) => {
      const paths = [`${name}.weights.1of2.bin`, `${name}.weights.2of2.bin`];
      const bytes = Buffer.from(weightData);
      const half = Math.floor(bytes.length / 3);
      write(paths[0], bytes.subarray(0, half));
      write(paths[1], bytes.subarray(half));
      const json = { format: 'layers-model', modelTopology, weightsManifest: [{ paths, weights: weightSpecs }] };
      if (loss !== undefined) json.modelTopology.training_config = { loss };
      write(`${name}.json`, `${JSON.stringify(json)}\n`);
      return { modelArtifactsInfo: {} };
    }),
  );
  const tensors = Object.entries({ inputs: first, outputs }).map(([key, tensor]) => ({
    name: key,
    shape: tensor.shape,
    data: tensor.dataSync(),
  }));
  write(`${name}.outputs.safetensors`, encodeSafetensors(tensors, {}));
  console.log(name, maps, model.countParams());
}

await save('sequential', sequential(), random(1));
await save('functional', functional(), random(100));
await save('vectors', vectors(), random(200), 'meanSquaredError');
