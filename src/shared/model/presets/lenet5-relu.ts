import type { Preset } from './preset.ts';

/** The network that tutorials call LeNet-5. */
export const lenet5Relu: Preset = {
  name: 'lenet5-relu',
  text: 'LeNet-5 as tutorials have it: max-pooling, ReLU and all connections',
  data: { maps: 1, height: 28, width: 28, classes: 10 },
  spec: () => ({
    name: 'lenet5-relu',
    layers: [
      { name: 'c1', kind: 'conv', maps: 6, kernel: 5, padding: 'same' },
      { kind: 'relu' },
      { name: 's2', kind: 'max-pool', size: 2 },
      { name: 'c3', kind: 'conv', maps: 16, kernel: 5 },
      { kind: 'relu' },
      { name: 's4', kind: 'max-pool', size: 2 },
      { name: 'c5', kind: 'dense', units: 120 },
      { kind: 'relu' },
      { name: 'f6', kind: 'dense', units: 84 },
      { kind: 'relu' },
      { name: 'output', kind: 'dense' },
    ],
  }),
};
