import type { GraphEmitter, GraphValue } from '../formats/graph.ts';
import type { KerasEmitter, KerasValue } from '../formats/keras.ts';
import type { OnnxAttributes } from '../formats/onnx.ts';
import type { Tensor, TensorOperations } from '../formats/tensorflow.ts';
import type { Emit, Value } from '../layers/emit.ts';
import type { Fields, Zod } from '../layers/layer.ts';
import type { Shape } from '../shape.ts';
import type { TrainingLoss } from '../training-loss.ts';

/** What the outputs of a model mean, by its kind; kinds have fields of their own. */
export interface HeadSpec {
  readonly kind: string;
}

/** What the targets of samples are: a class each, or numbers, one for each output. */
export type TargetKind = 'class' | 'numbers';

/** What people read in outputs: one class, several labels, or numbers. */
export type Reading = 'class' | 'labels' | 'values';

/** Adds an operator to an ONNX graph. `part` names its output within the head. @returns the output's name */
export interface OnnxHeadEmitter {
  add(part: string, opType: string, input: readonly string[], attributes?: OnnxAttributes): string;
  floats(part: string, dims: readonly number[], values: Float32Array): string;
  integers(part: string, values: readonly number[]): string;
  /** Adds an operator whose output, [samples][outputs], is one of the graph's, by that very name. */
  output(name: string, opType: string, input: readonly string[], attributes?: OnnxAttributes): void;
}

/** A head in other systems. */
export interface HeadFormats<S extends HeadSpec> {
  /**
   * @param z [count][units]: the last layer's output
   * @param targets [count][outputs]: numbers, or 1 at each sample's class and 0 elsewhere
   * @param loss of training, in place of the head's own; undefined: there is none, or this is an evaluation
   * @returns scores [count][outputs], of which the highest or each that is above 0 wins, and losses [count]
   */
  tfjs(
    tf: TensorOperations,
    spec: S,
    z: Tensor,
    targets: Tensor,
    loss?: TrainingLoss,
  ): { readonly scores: Tensor; readonly losses: Tensor };
  /** The names of the ONNX graph's outputs. */
  readonly onnxOutputs: readonly string[];
  onnx(graph: OnnxHeadEmitter, spec: S, z: string): void;
  /** @returns the name of the Keras layer that has the model's output */
  keras(keras: KerasEmitter, spec: S, z: KerasValue): string;
  /** @returns the samples' losses, and 1 where a sample is right, else 0 */
  graph(
    graph: GraphEmitter,
    spec: S,
    z: GraphValue,
    targets: GraphValue,
  ): { readonly losses: GraphValue; readonly right?: GraphValue };
}

/** What a model's outputs mean: the loss, its derivative, and what counts as right. It has no parameters. */
export interface Head<S extends HeadSpec = HeadSpec> extends HeadFormats<S> {
  readonly kind: S['kind'];
  /** The kind as people read it. */
  readonly text: string;
  readonly targetKind: TargetKind;
  /** Whether samples are right or wrong; otherwise there is a loss alone. */
  readonly hasAccuracy: boolean;
  /** Whether training may have a loss of its own. */
  readonly takesLoss?: true;
  /** The largest loss of one sample that float32 outputs can give. */
  maxLoss(spec: S): number;
  /** Its values are distances, and the lowest wins; otherwise logits, and the highest wins. Scores are the negated distances. */
  readonly isDistance: boolean;
  /** A constant score beside those of the classes: of what is none of them. */
  rejection?(spec: S): number;
  /** [classes][units]: the values of the layer before that mean each class. */
  targets?(spec: S): readonly (readonly number[])[];

  /** The fields of its spec but for its kind. */
  fields(zod: Zod): Fields;
  /** Classes, or outputs, for the last layer's shape. @throws ModelError if it doesn't fit */
  outputs(spec: S, last: Shape): number;
  /** Emits losses, predictions and the delta of the last layer's output, a vector. @param loss as of tfjs */
  emit(emit: Emit, spec: S, z: Value, delta: Value, loss?: TrainingLoss): void;
}

export function readingOf({ targetKind, hasAccuracy }: Head): Reading {
  if (targetKind === 'class') return 'class';
  return hasAccuracy ? 'labels' : 'values';
}
