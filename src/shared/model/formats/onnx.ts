/** Takes the nodes and constants of one layer in an ONNX graph. Values have names. */
export interface OnnxEmitter {
  /**
   * Adds an operator with one output.
   * @param part the node's name within the layer; empty: the layer's own name
   * @returns the output's name
   */
  add(part: string, opType: string, input: readonly string[], attributes?: OnnxAttributes): string;
  /** Adds an array of float32 in row-major order; a scalar has no dimensions. @returns its name */
  floats(part: string, dims: readonly number[], values: Float32Array): string;
  /** Adds a list of int64. @returns its name */
  integers(part: string, values: readonly number[]): string;
}

/** What an operator takes beside its inputs: a whole number or several, or a float. */
export type OnnxAttribute = number | readonly number[] | { readonly float: number };

export type OnnxAttributes = Readonly<Record<string, OnnxAttribute>>;

/** Samples, however many there are, in the shapes that Reshape takes. */
export const ANY_COUNT = -1;

/** Each map of a stack times a weight, plus a bias: a convolution of single values, which OpenCV 4 does for several samples too. */
export function scaledMaps(
  graph: OnnxEmitter,
  part: string,
  x: string,
  { weight, bias }: { readonly weight: Float32Array; readonly bias: Float32Array },
): string {
  const maps = weight.length;
  const inputs = [x, graph.floats('weight', [maps, 1, 1, 1], weight), graph.floats('bias', [maps], bias)];
  return graph.add(part, 'Conv', inputs, { kernel_shape: [1, 1], group: maps });
}

/** Each row of [samples][rows][values] brought to mean 0 and variance 1. */
export function normalized(graph: OnnxEmitter, x: string, rows: number, epsilon: number): string {
  const ones = graph.floats('ones', [rows], new Float32Array(rows).fill(1));
  const zeros = graph.floats('zeros', [rows], new Float32Array(rows));
  return graph.add('rows', 'InstanceNormalization', [x, ones, zeros], { epsilon: { float: epsilon } });
}
