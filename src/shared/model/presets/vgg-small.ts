import type { Preset } from './preset.ts';

/** Pairs of 3x3 convolutions, each pair at half the resolution (K. Simonyan, A. Zisserman, ICLR 2015). */
export const vggSmall: Preset = {
  name: 'vgg-small',
  text: 'six 3x3 convolutions of 32, 64 and 128 maps, with group norm',
  data: { maps: 3, height: 32, width: 32, classes: 10 },
  spec: () => ({
    name: 'vgg-small',
    initialization: 'pytorch-uniform',
    layers: [
      ...stage(1, 32),
      ...stage(2, 64),
      ...stage(3, 128),
      { kind: 'global-average-pool' },
      { kind: 'dropout', rate: 0.2 },
      { name: 'output', kind: 'dense' },
    ],
  }),
};

function stage(number: number, maps: number): unknown[] {
  const convolution = (name: string) => [
    { name, kind: 'conv', maps, kernel: 3, padding: 'same', bias: false },
    { name: `${name}.norm`, kind: 'group-norm', groups: 8 },
    { name: `${name}.relu`, kind: 'relu' },
  ];
  return [
    ...convolution(`conv${number}a`),
    ...convolution(`conv${number}b`),
    { name: `pool${number}`, kind: 'max-pool', size: 2 },
  ];
}
