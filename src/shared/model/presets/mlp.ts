import type { Preset } from './preset.ts';

/** Two hidden layers. */
export const mlp: Preset = {
  name: 'mlp',
  text: 'a perceptron with hidden layers of 512 and 256 units',
  data: { maps: 1, height: 28, width: 28, classes: 10 },
  spec: () => ({
    name: 'mlp',
    layers: [
      { name: 'hidden1', kind: 'dense', units: 512 },
      { kind: 'relu' },
      { name: 'dropout1', kind: 'dropout', rate: 0.2 },
      { name: 'hidden2', kind: 'dense', units: 256 },
      { kind: 'relu' },
      { name: 'dropout2', kind: 'dropout', rate: 0.2 },
      { name: 'output', kind: 'dense' },
    ],
  }),
};
