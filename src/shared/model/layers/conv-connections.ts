import type { Border, Pair, Shape } from '../shape.ts';
import type { LayerSpec, PlacedLayer } from './placed-layer.ts';
import { borderOf, type Padding, type Windows } from './windows.ts';

/** A convolution, without activation. */
export interface ConvSpec extends LayerSpec {
  readonly kind: 'conv';
  /** Output maps. */
  readonly maps: number;
  readonly kernel: Pair;
  readonly stride: Pair;
  readonly padding: Padding;
  /** Groups of maps that don't see each other; as many as input maps: depthwise. */
  readonly groups: number;
  /** Per input map, the output maps that it feeds; all of them, or its group's, if absent. */
  readonly table?: readonly (readonly number[])[] | undefined;
  readonly bias: boolean;
}

export function windowsOf({ kernel, stride, padding }: ConvSpec): Windows {
  return { size: kernel, stride, padding };
}

export function paddingOf({ spec, inputs: [input] }: PlacedLayer<ConvSpec>): Border {
  return borderOf(windowsOf(spec), input as Shape);
}

/** Per output map, the input maps that feed it, ascending. A kernel's index in the weight tensor counts these. */
export function inputsOf({ spec, inputs: [input] }: PlacedLayer<ConvSpec>): readonly (readonly number[])[] {
  const { maps, groups, table } = spec;
  const all = Array.from({ length: (input as Shape).maps }, (_, i) => i);
  if (table !== undefined) return byOutput(table, maps);
  const [from, to] = [all.length / groups, maps / groups];
  const perGroup = Array.from({ length: groups }, (_, g) => all.slice(g * from, (g + 1) * from));
  return Array.from({ length: maps }, (_, o) => perGroup[Math.floor(o / to)] as number[]);
}

function byOutput(table: readonly (readonly number[])[], maps: number): readonly (readonly number[])[] {
  const inputs = Array.from({ length: maps }, (): number[] => []);
  for (const [i, to] of table.entries()) for (const o of to) inputs[o]?.push(i);
  return inputs;
}
