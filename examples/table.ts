// A perceptron on a table: which of three made-up plants a row describes.
//
//     node table.ts
//     node table.ts your.csv --target column
//
// `node table.ts` needs Node 22.18 or later (else see README.md), and `"type": "module"` in package.json.
import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { defineModel, layers, openDataset, train } from 'lockstep';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    target: { type: 'string', default: 'plant' },
    iterations: { type: 'string', default: '500' },
    out: { type: 'string' },
  },
});

/** Rows of leaf and stem in centimetres, and of the place where the plant grew. */
function madeTable(): string {
  const plants = [
    { plant: 'fern', leaf: 30, stem: 5, place: 'wood' },
    { plant: 'reed', leaf: 25, stem: 90, place: 'water' },
    { plant: 'clover', leaf: 3, stem: 12, place: 'meadow' },
  ];
  const rows = Array.from({ length: 300 }, (_, i) => {
    const { plant, leaf, stem, place } = plants[i % 3] as (typeof plants)[number];
    const size = 1 + 0.4 * Math.sin(7.7 * i);
    // Every tenth one grew where such plants seldom do.
    return [plant, (leaf * size).toFixed(1), (stem * size).toFixed(1), i % 10 === 0 ? 'meadow' : place];
  });
  return ['plant,leaf,stem,place', ...rows.map((row) => row.join(','))].join('\n');
}

const file = positionals[0] ?? join(mkdtempSync(join(tmpdir(), 'plants-')), 'plants.csv');
if (positionals[0] === undefined) writeFileSync(file, madeTable());

// Numbers are standardised, words become a feature each; a fifth of the rows is the test.
const data = await openDataset(file, { target: values.target, testSplit: 0.2 });
const model = defineModel({
  name: 'perceptron',
  input: data.maps,
  layers: [layers.dense({ units: 16 }), layers.relu(), layers.dense({ units: data.classes })],
});
const run = await train({ data, model, iterations: Number(values.iterations), learningRate: 0.01, out: values.out });
console.log(`Test accuracy: ${(100 * (run.result.testAccuracy ?? 0)).toFixed(1)} %`);

if (positionals[0] === undefined) {
  const { className, probability = 0 } = (await run.network()).predictRow({ leaf: 28, stem: 80, place: 'water' });
  console.log(`A leaf of 28 cm on a stem of 80 cm in the water: ${className} (${(100 * probability).toFixed(1)} %)`);
}
