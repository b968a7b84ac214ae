// Fine-tunes an ONNX file: its convolutions stay as they are, and its last layers learn other data.
//
//     node fine-tune.ts                     trains a small network on digits, exports it, and teaches it digits that lie on their side
//     node fine-tune.ts net.onnx --data pictures --freeze layer1,layer2
//
// `node fine-tune.ts` needs Node 22.18 or later (else see README.md), and `"type": "module"` in package.json.
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { type Dataset, defineDataset, defineModel, layers, openDataset, type Split, train } from 'lockstep';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    data: { type: 'string', default: 'synthetic' },
    freeze: { type: 'string', default: 'conv1,conv2' },
    iterations: { type: 'string', default: '500' },
  },
});
const iterations = Number(values.iterations);
const folder = mkdtempSync(join(tmpdir(), 'fine-tune-'));

/** The beginning of a part, turned by a quarter. */
function turned({ inputs, targets, count }: Split, { height, width }: Dataset) {
  const samples = Math.min(count, 10_000);
  const pixels = new Uint8Array(samples * height * width);
  for (let s = 0; s < samples; s++) {
    for (let y = 0; y < height; y++) {
      for (let x = 0; x < width; x++) {
        pixels[(s * width + x) * height + (height - 1 - y)] = inputs[(s * height + y) * width + x] as number;
      }
    }
  }
  return { inputs: pixels, labels: targets.slice(0, samples) };
}

/** A trained network as an ONNX file, as other programs would write it. */
async function trainedElsewhere(data: Dataset): Promise<string> {
  const model = defineModel({
    input: data,
    layers: [
      layers.conv({ name: 'conv1', maps: 8, kernel: 5, stride: 2 }),
      layers.relu(),
      layers.conv({ name: 'conv2', maps: 16, kernel: 3, stride: 2 }),
      layers.relu(),
      layers.dense({ name: 'classes', units: data.classes }),
    ],
  });
  const run = await train({ data, model, iterations, out: join(folder, 'first') });
  const file = join(folder, 'net.onnx');
  await (await run.network()).export('onnx', file);
  return file;
}

const given = await openDataset(values.data);
const file = positionals[0] ?? (await trainedElsewhere(given));
const { height, width, classes } = given;
const data =
  positionals[0] === undefined
    ? await defineDataset({
        name: 'on their side',
        shape: { maps: 1, height: width, width: height },
        classes,
        train: turned(given.train, given),
        test: turned(given.test, given),
      })
    : given;

const run = await train(
  { data, model: file, init: file, freeze: values.freeze, iterations, learningRate: 0.001, out: join(folder, 'tuned') },
  { onEvaluation: ({ step, testAccuracy = 0 }) => console.log(`step ${step}: ${(100 * testAccuracy).toFixed(2)} %`) },
);
console.log(`Fine-tuned in ${run.path}.`);
