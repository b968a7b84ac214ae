import type { Preset } from './preset.ts';

/** Maps of the three stages. */
const STAGES = [16, 32, 64] as const;
const GROUPS = 4;

/** A residual net for small pictures, 6n + 2 layers deep, with group norm (K. He et al., "Deep residual learning", CVPR 2016, section 4.2). */
function resnet(blocks: number): Preset {
  const name = `resnet${6 * blocks + 2}`;
  return {
    name,
    text: `a residual net of ${6 * blocks + 2} layers of 16, 32 and 64 maps, with group norm`,
    data: { maps: 3, height: 32, width: 32, classes: 10 },
    spec: () => ({
      name,
      initialization: 'pytorch-uniform',
      layers: [
        ...convolution('stem', 'input', STAGES[0], 1),
        { name: 'stem.relu', kind: 'relu' },
        ...STAGES.flatMap((maps, stage) =>
          Array.from({ length: blocks }, (_, block) => {
            const own = `block${stage * blocks + block + 1}`;
            const before = stage === 0 && block === 0 ? 'stem.relu' : `block${stage * blocks + block}.relu`;
            return residual(own, before, maps, stage > 0 && block === 0 ? 2 : 1);
          }),
        ).flat(),
        { name: 'pool', kind: 'global-average-pool' },
        { name: 'output', kind: 'dense' },
      ],
    }),
  };
}

function convolution(name: string, input: string, maps: number, stride: number, kernel = 3): unknown[] {
  return [
    { name, kind: 'conv', inputs: [input], maps, kernel, stride, padding: 'same', bias: false },
    { name: `${name}.norm`, kind: 'group-norm', groups: GROUPS },
  ];
}

/** Two convolutions, and their input beside them: as it is, or by a 1x1 convolution if the maps become more. */
function residual(name: string, input: string, maps: number, stride: number): unknown[] {
  const shortcut = stride === 1 ? [] : convolution(`${name}.shortcut`, input, maps, stride, 1);
  return [
    ...convolution(`${name}.a`, input, maps, stride),
    { name: `${name}.a.relu`, kind: 'relu' },
    ...convolution(`${name}.b`, `${name}.a.relu`, maps, 1),
    ...shortcut,
    { name, kind: 'add', inputs: [`${name}.b.norm`, stride === 1 ? input : `${name}.shortcut.norm`] },
    { name: `${name}.relu`, kind: 'relu' },
  ];
}

export const resnet8 = resnet(1);
export const resnet20 = resnet(3);
