// A residual network of your own on CIFAR-10, from a folder of its binary files or of pictures by class:
//
//     node own-network.ts cifar-10-batches-bin
//     node own-network.ts pictures --iterations 100
//
// `node own-network.ts` needs Node 22.18 or later (else see README.md), and `"type": "module"` in package.json.
import { parseArgs } from 'node:util';
import { defineModel, layers, openDataset, train } from 'lockstep';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { iterations: { type: 'string', default: '8000' }, out: { type: 'string' } },
});
const [folder] = positionals;
if (folder === undefined) throw new Error('Name the folder of CIFAR-10.');

/** Two convolutions beside a shortcut, which they are added to. */
function block(name: string, maps: number) {
  return [
    layers.conv({ name: `${name}-a`, maps, kernel: 3, padding: 'same' }),
    layers.groupNorm({ groups: 8 }),
    layers.relu(),
    layers.conv({ name: `${name}-b`, maps, kernel: 3, padding: 'same' }),
    layers.groupNorm({ name: `${name}-norm`, groups: 8 }),
    layers.add({ inputs: [`${name}-norm`, `${name}-in`] }),
  ];
}

const data = await openDataset(folder, { onNotice: (line) => console.error(line) });
const model = defineModel({
  name: 'two-blocks',
  input: data,
  layers: [
    layers.conv({ maps: 16, kernel: 3, padding: 'same' }),
    layers.relu({ name: 'one-in' }),
    ...block('one', 16),
    layers.relu(),
    layers.conv({ maps: 32, kernel: 3, stride: 2, padding: 'same' }),
    layers.relu({ name: 'two-in' }),
    ...block('two', 32),
    layers.relu(),
    layers.globalAveragePool(),
    layers.dense({ units: data.classes }),
  ],
});

const run = await train(
  { data, model, iterations: Number(values.iterations), augment: 'shift', out: values.out },
  { onEvaluation: ({ step, testAccuracy = 0 }) => console.log(`step ${step}: ${(100 * testAccuracy).toFixed(2)} %`) },
);

const { perClass = [] } = await (await run.network()).evaluate({ data });
for (const { name, f1 } of perClass) console.log(`${name}: F1 ${f1.toFixed(3)}`);
