import { ModelError } from '../../util/errors.ts';
import type { Shape } from '../shape.ts';
import { type ConvSpec, inputsOf, paddingOf, windowsOf } from './conv-connections.ts';
import { convFormats } from './conv-formats.ts';
import { backwardConv, deltaBorder, forwardConv } from './conv-operations.ts';
import type { Layer } from './layer.ts';
import type { PlacedLayer } from './placed-layer.ts';
import { paddingField, pairField, slide } from './windows.ts';

export const conv = {
  kind: 'conv',
  text: 'convolution',
  outputText: 'feature maps',
  takes: 'stacks',

  fields: (zod) => ({
    maps: zod.int().min(1).max(65_535).describe('output maps'),
    kernel: pairField(zod).describe('rows and columns of a kernel'),
    stride: pairField(zod).default([1, 1]),
    padding: paddingField(zod).default('valid'),
    groups: zod.int().min(1).default(1).describe("groups of maps; the input's maps: depthwise"),
    table: zod
      .array(zod.array(zod.int().min(0)))
      .optional()
      .describe('per input map, the output maps that it feeds'),
    bias: zod.boolean().default(true),
  }),
  shape(spec, [input]) {
    checkConnections(spec, input as Shape);
    return { maps: spec.maps, ...slide(windowsOf(spec), input as Shape, spec.name) };
  },
  tensors(layer) {
    const { maps, bias } = layer.spec;
    const weight = { part: 'weight', role: 'weight', ...weightOf(layer) } as const;
    return bias ? [weight, { part: 'bias', role: 'bias', shape: [maps] }] : [weight];
  },
  connections(layer) {
    const { spec, output } = layer;
    const weights = inputsOf(layer).flat().length * spec.kernel[0] * spec.kernel[1];
    return (weights + (spec.bias ? spec.maps : 0)) * output.height * output.width;
  },
  macs(layer) {
    const { spec, output } = layer;
    const macs = inputsOf(layer).flat().length * spec.kernel[0] * spec.kernel[1] * output.height * output.width;
    return { forward: macs, input: macs, weight: macs };
  },
  kernels: (layer) => ({ height: layer.spec.kernel[0], width: layer.spec.kernel[1], inputsOf: inputsOf(layer) }),
  needs: (layer) => ({ border: paddingOf(layer), deltaBorder: deltaBorder(layer) }),
  forward: forwardConv,
  backward: backwardConv,
  ...convFormats,
} satisfies Layer<ConvSpec, 'weight' | 'bias'>;

/** All maps have as many inputs, unless there is a table: then each kernel counts those of its map. */
function weightOf(layer: PlacedLayer<ConvSpec>) {
  const { maps, kernel, groups, table } = layer.spec;
  const taps = kernel[0] * kernel[1];
  if (table === undefined) {
    const inputs = (layer.inputs[0] as Shape).maps / groups;
    return { shape: [maps, inputs, ...kernel], fanIn: [inputs * taps] };
  }
  const fanIn = inputsOf(layer).flatMap((from) => from.map(() => from.length * taps));
  return { shape: [fanIn.length, ...kernel], fanIn };
}

function checkConnections({ name, maps, groups, table }: ConvSpec, input: Shape): void {
  if (input.maps % groups !== 0 || maps % groups !== 0)
    throw new ModelError(
      `${name}: ${groups} groups don't divide its ${input.maps} input maps and ${maps} output maps.`,
    );
  if (table === undefined) return;
  if (groups !== 1) throw new ModelError(`${name}: it has groups or a table of connections, but not both.`);
  const isSound = table.every((to) => new Set(to).size === to.length && to.every((o) => o < maps));
  if (table.length !== input.maps || !isSound) {
    throw new ModelError(
      `${name}: its table must list, for each of ${input.maps} input maps, output maps from 0 to ${maps - 1}, none twice.`,
    );
  }
  if (new Set(table.flat()).size < maps)
    throw new ModelError(`${name}: its table leaves an output map without inputs.`);
}
