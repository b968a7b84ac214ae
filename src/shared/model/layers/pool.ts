import { ModelError } from '../../util/errors.ts';
import type { Pair, Shape } from '../shape.ts';
import { type Emit, pair, sides, type Value } from './emit.ts';
import { type BackwardValues, type Layer, NO_MACS } from './layer.ts';
import type { LayerLayout, LayerSpec } from './placed-layer.ts';
import { averagePoolFormats, maxPoolFormats } from './pool-formats.ts';
import { borderOf, type Padding, paddingField, pairField, slide, type Windows } from './windows.ts';

/** The largest value, or the mean, of each window of each map. Padding takes no part in either. */
export interface PoolSpec extends LayerSpec {
  readonly kind: 'max-pool' | 'average-pool';
  readonly size: Pair;
  /** As the size if it is absent. */
  readonly stride?: Pair | undefined;
  readonly padding: Padding;
}

export const maxPool = {
  ...pool('max-pool', 'maximum pooling', 'maxPool'),
  ...maxPoolFormats(windowsOf),
  backward(emit, layer, { inputs: [x], delta, inputDeltas: [target] }) {
    if (target === undefined) return;
    emit.op('train', 'maxPoolBackward', x as Value, delta, target, ...windowArguments(windowsOf(layer.spec), layer));
  },
} satisfies Layer<PoolSpec, never>;

export const averagePool = {
  ...pool('average-pool', 'average pooling', 'averagePool'),
  ...averagePoolFormats(({ spec }) => windowsOf(spec)),
  backward: (emit, layer, values) => spread(emit, layer, windowsOf(layer.spec), values),
} satisfies Layer<PoolSpec, never>;

/** The backward pass of means over windows. */
export function spread(
  emit: Emit,
  layer: LayerLayout,
  windows: Windows,
  { delta, inputDeltas: [target] }: Pick<BackwardValues, 'delta' | 'inputDeltas'>,
): void {
  if (target === undefined) return;
  emit.op('train', 'averagePoolBackward', delta, target, ...windowArguments(windows, layer));
}

function pool(kind: PoolSpec['kind'], text: string, operation: 'maxPool' | 'averagePool') {
  return {
    kind,
    text,
    takes: 'stacks',
    fields: (zod) => ({
      size: pairField(zod).describe('rows and columns of a window'),
      stride: pairField(zod).optional().describe('as the size if absent'),
      padding: paddingField(zod).default('valid'),
    }),
    shape(spec, [input]) {
      const [windows, stack] = [windowsOf(spec), input as Shape];
      const output = { maps: stack.maps, ...slide(windows, stack, spec.name) };
      checkFilled(windows, stack, output, spec.name);
      return output;
    },
    tensors: () => [],
    macs: () => NO_MACS,
    forward(emit, layer, { inputs: [x], output }) {
      emit.op('forward', operation, x as Value, output, ...windowArguments(windowsOf(layer.spec), layer));
    },
  } satisfies Partial<Layer<PoolSpec, never>>;
}

/** The last arguments of pooling operations. */
export function windowArguments(windows: Windows, { inputs: [input], output }: LayerLayout): number[] {
  const { top, left } = borderOf(windows, input as Shape);
  const { size, stride } = windows;
  return [output.maps, sides(input as Shape), sides(output), pair(size), pair(stride), pair([top, left])];
}

function windowsOf({ size, stride, padding }: PoolSpec): Windows {
  return { size, stride: stride ?? size, padding };
}

function checkFilled(windows: Windows, input: Shape, output: Shape, name: string): void {
  const { top, left } = borderOf(windows, input);
  const { size, stride } = windows;
  const isFilled = (padding: number, side: number, count: number, axis: 0 | 1): boolean =>
    padding < size[axis] && (count - 1) * stride[axis] - padding < side;
  if (isFilled(top, input.height, output.height, 0) && isFilled(left, input.width, output.width, 1)) return;
  throw new ModelError(`${name}: its padding leaves windows that contain nothing else.`);
}
