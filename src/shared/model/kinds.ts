import { ModelError } from '../util/errors.ts';
import type { ClassesSpec, Head } from './heads/head.ts';
import { rbf } from './heads/rbf.ts';
import { softmax } from './heads/softmax.ts';
import { conv } from './layers/conv.ts';
import { dense } from './layers/dense.ts';
import type { Layer, NamedSpec } from './layers/layer.ts';
import { subsample } from './layers/subsample.ts';

/** The kinds of layers. */
export const LAYERS = [conv, subsample, dense] as const;

/** The kinds of heads, which are layers too. */
export const HEADS = [softmax, rbf] as const;

/** @throws ModelError if there is no such kind of layer or head */
export function kindOf(spec: NamedSpec): Layer {
  return find<Layer>([...LAYERS, ...HEADS], spec);
}

/** @throws ModelError if there is no such kind of head */
export function headOf(spec: ClassesSpec): Head {
  return find<Head>(HEADS, spec);
}

function find<L extends Layer>(kinds: readonly L[], { kind, name }: NamedSpec): L {
  const found = kinds.find((each) => each.kind === kind);
  if (found !== undefined) return found;
  const known = kinds.map((each) => each.kind).join(', ');
  throw new ModelError(`${name}: expected one of the kinds ${known}, but it is of the kind ${kind}.`);
}
