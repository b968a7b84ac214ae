import type { GraphEmitter, GraphValue } from '../formats/graph.ts';
import type { KerasEmitter, KerasValue } from '../formats/keras.ts';
import type { OnnxEmitter } from '../formats/onnx.ts';
import type { Tensor, TensorOperations } from '../formats/tensorflow.ts';
import type { Shape } from '../shape.ts';
import { sides, type Value } from './emit.ts';
import { type Fields, type Imports, type Layer, NO_MACS, type Zod } from './layer.ts';
import type { LayerSpec } from './placed-layer.ts';

/** LeCun et al. 1998, appendix A: f(a) = A tanh(S a). */
export const TANH_AMPLITUDE = 1.7159;
export const TANH_SLOPE = 2 / 3;

interface Activation<S extends LayerSpec, F extends Fields> {
  readonly kind: S['kind'];
  readonly text: string;
  /** The function's number in the kernel (src/kernel/activations.ts). */
  readonly code: number;
  fields(zod: Zod): F;
  /** What the function takes beside x. */
  parameter?(spec: S): number;
  readonly imports?: Imports;
  /** The function in other systems. */
  tfjs(tf: TensorOperations, x: Tensor, spec: S): Tensor;
  onnx(graph: OnnxEmitter, x: string, spec: S): string;
  keras(keras: KerasEmitter, x: string, spec: S): string;
  graph(graph: GraphEmitter, x: GraphValue, spec: S): GraphValue;
}

/** Of a function without parameters. */
export type NoFields = Readonly<Record<never, never>>;
export const noFields = (): NoFields => ({});

/** An elementwise function, whose derivative its own value decides. */
export function activation<S extends LayerSpec, F extends Fields>(of: Activation<S, F>) {
  const { kind, text, code, fields, parameter = () => 0, imports = {} } = of;
  return {
    kind,
    text,
    activation: code,
    isElementwise: true,
    refines: true,
    fields,
    shape: (_spec, [input]) => input as Shape,
    tensors: () => [],
    macs: () => NO_MACS,
    needs: () => ({ keepsOutput: true, inPlace: true }),
    forward(emit, { spec }, { inputs: [x], output }) {
      const { maps } = output.shape;
      emit.op('forward', 'activate', x as Value, output, maps, sides(output.shape), code, parameter(spec));
    },
    backward(emit, { spec }, { output, delta, inputDeltas: [target] }) {
      if (target === undefined) return;
      const { maps } = output.shape;
      emit.op('train', 'activateBackward', output, delta, target, maps, sides(output.shape), code, parameter(spec));
    },
    imports,
    tfjs: (tf, { spec }, [x]) => of.tfjs(tf, x as Tensor, spec),
    onnx: (graph, { spec }, [x]) => of.onnx(graph, x as string, spec),
    keras: (keras, { spec }, [x]) => of.keras(keras, (x as KerasValue).name, spec),
    graph: (graph, { spec }, [x]) => of.graph(graph, x as GraphValue, spec),
  } satisfies Layer<S, never>;
}
