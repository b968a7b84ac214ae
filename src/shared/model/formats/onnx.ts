/** Takes the nodes and constants of an ONNX graph. Values have names. */
export interface OnnxEmitter {
  /** Adds an operator with one output. @returns the output's name, which is the node's */
  add(name: string, opType: string, input: readonly string[], attributes?: OnnxAttributes): string;
  /** Adds an array of float32 in row-major order; a scalar has no dimensions. @returns its name */
  floats(name: string, dims: readonly number[], values: Float32Array): string;
  /** Adds a list of int64. @returns its name */
  integers(name: string, values: readonly number[]): string;
}

/** Whole numbers by name: all that the operators here need. */
export type OnnxAttributes = Readonly<Record<string, number | readonly number[]>>;
