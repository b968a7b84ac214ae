import type { Tensor, TensorOperations, TensorPass } from '../../model/formats/tensorflow.ts';
import { headOf, kindOf } from '../../model/kinds.ts';
import { partsOf, type TensorLayout } from '../../model/layers/placed-layer.ts';
import type { ModelLayout } from '../../model/layout.ts';
import { isVector } from '../../model/shape.ts';

/**
 * The model layer by layer, as its spec has it: an independent check of the kernel, which fuses layers.
 * @param input [count][height][width][maps], or [count][units]; isPadded: the first layer, which only pads it, has done so
 * @param targets [count][outputs]
 * @param parameters in the shapes of tfjsParameters
 */
export function lossesOf(
  tf: TensorOperations,
  { layers, spec, loss }: ModelLayout,
  { input, isPadded, targets }: { readonly input: Tensor; readonly isPadded: boolean; readonly targets: Tensor },
  parameters: ReadonlyMap<TensorLayout, Tensor>,
  pass: TensorPass,
): { readonly scores: Tensor; readonly losses: Tensor } {
  const outputs: Tensor[] = isPadded ? [input] : [];
  for (const layer of layers.slice(outputs.length)) {
    const kind = kindOf(layer.spec);
    const x = layer.sources.map((source) => taken(tf, kind.takes, source === -1 ? input : (outputs[source] as Tensor)));
    const own = partsOf(layer, (tensor) => parameters.get(tensor) as Tensor);
    const output = kind.tfjs(tf, layer, x, own, pass);
    outputs.push(isVector(layer.output) ? flat(tf, output) : output);
  }
  const z = flat(tf, outputs.at(-1) as Tensor);
  return headOf(spec.head).tfjs(tf, spec.head, z, targets, pass.training ? loss : undefined);
}

function taken(tf: TensorOperations, takes: 'stacks' | 'vectors' | undefined, x: Tensor): Tensor {
  if (takes === 'vectors') return flat(tf, x);
  if (takes === 'stacks' && x.shape.length === 2) return tf.reshape(x, [x.shape[0] ?? 0, 1, 1, x.shape[1] ?? 0]);
  return x;
}

/** Map by map, as dense layers' weights have it; tfjs keeps the maps last. */
function flat(tf: TensorOperations, x: Tensor): Tensor {
  const [count = 0, ...sides] = x.shape;
  if (sides.length === 1) return x;
  return tf.reshape(tf.transpose(x, [0, 3, 1, 2]), [count, sides.reduce((product, side) => product * side, 1)]);
}
