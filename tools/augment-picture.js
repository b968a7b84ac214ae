// Draws docs/augment.png: a digit and a colour picture under each kind of augmentation. MNIST_DIR=… node tools/augment-picture.js SET,
// after npm run build; SET is a packed set of colour pictures, such as CIFAR-10 from examples/pack-cifar10.mjs.
import { writeFileSync } from 'node:fs';
import { encode } from 'fast-png';
import { openDataset } from '../dist/shared/data/open.js';
import { Augmenter } from '../dist/shared/engine/augmentations/augmenter.js';
import { AUGMENTATIONS } from '../dist/shared/engine/augmentations/registry.js';
import { Sampler } from '../dist/shared/engine/sampler.js';

const ZOOM = 2;
const CELL = 32 * ZOOM + 4;
/** Draws of each picture. */
const DRAWS = 2;
const SEED = 5;
const LISTS = ['none', ...AUGMENTATIONS.map(({ name }) => name)];

const [, , colours] = process.argv;
const options = { env: process.env, print: console.error };
const sets = [
  { set: await openDataset(options), index: 7, all: 'rotate,scale,elastic,shift' },
  { set: await openDataset({ ...options, flag: colours }), index: 4, all: 'colour,flip,crop,cutout' },
];

const width = (LISTS.length + 1) * CELL;
const height = sets.length * DRAWS * CELL;
const data = new Uint8Array(3 * width * height).fill(255);

for (const [i, { set, index, all }] of sets.entries())
  for (let draw = 0; draw < DRAWS; draw++)
    for (const [column, augment] of [...LISTS, all].entries()) {
      const values = augmented(set, index, { augment, position: draw });
      paint(values, set, { left: column * CELL, top: (i * DRAWS + draw) * CELL });
    }
writeFileSync(new URL('../docs/augment.png', import.meta.url), encode({ width, height, data, channels: 3, depth: 8 }));

function augmented({ maps, height, width, train }, index, { augment, position }) {
  const samples = { inputs: new Uint8Array(maps * height * width), targets: new Uint16Array(1) };
  const shifts = new Int8Array(2);
  const sampler = new Sampler({ samples: train.count, batch: 1, seed: SEED, augment });
  const first = sampler.fill(position, 0, 1, new Int32Array(1), shifts);
  const batch = { ...train, first, indices: Int32Array.of(index), shifts };
  const { inputs } = new Augmenter({ seed: SEED, augment }, { maps, height, width }, samples).augment(batch);
  const [down, right] = shifts;
  return (map, y, x) =>
    y - down < 0 || y - down >= height || x - right < 0 || x - right >= width
      ? 0
      : inputs[(map * height + y - down) * width + x - right];
}

function paint(valueAt, { maps, height: rows, width: columns }, { left, top }) {
  const margin = Math.floor((CELL - ZOOM * rows) / 2);
  for (let y = 0; y < ZOOM * rows; y++)
    for (let x = 0; x < ZOOM * columns; x++)
      for (let channel = 0; channel < 3; channel++) {
        const value = valueAt(maps === 3 ? channel : 0, Math.floor(y / ZOOM), Math.floor(x / ZOOM));
        data[3 * ((top + margin + y) * width + left + margin + x) + channel] = maps === 3 ? value : 255 - value;
      }
}
