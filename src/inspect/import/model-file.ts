/** A model as a file of any format has it. */
export interface ModelFile {
  /** A spec as JSON, for `parseModel`. */
  readonly spec: unknown;
  /** Tensors by their names in the model's layout, in its shapes; absent if the file has none. */
  readonly weights?: ReadonlyMap<string, Float32Array> | undefined;
  /** What a person should know of the translation: sentences. */
  readonly warnings: readonly string[];
}

/** A format of files of models. */
export interface ModelFormat {
  /** The format as people read it, with its file name's ending. */
  readonly text: string;
  takes(path: string): boolean;
  /** @throws ModelError if the file can't be read as this, or if it isn't a model that there can be here */
  read(path: string): Promise<ModelFile>;
}

/** 16 million float32: three times the largest model that this is for. */
export const MAX_WEIGHT_BYTES = 2 ** 26;

/** JSON, which takes ten times as much memory when it is read. */
export const MAX_JSON_BYTES = 2 ** 21;
