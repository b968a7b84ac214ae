import type { BlockPointers, ListName, Value } from '../../model/layers/emit.ts';
import type { OperationName } from '../operations.ts';

/** Operations one behind the other, in the kernel's records. */
export interface OperationList {
  readonly at: number;
  readonly count: number;
}

/** Elements of the parameter vector. */
export interface ParameterRange {
  readonly first: number;
  readonly count: number;
}

/**
 * What one worker's kernel does for a model, and where it finds its tables and values: plain numbers, made by the main thread and
 * sent to the worker. Pointers are byte offsets into the memory.
 */
export interface Program {
  readonly parameters: number;
  /** Shards that one call takes; a power of two. */
  readonly shardsAtOnce: number;
  /** Blocks of a shard, at most. */
  readonly shardBlocks: number;
  readonly lists: Readonly<Record<ListName, OperationList>>;
  /** All that the lists have. */
  readonly operations: readonly OperationName[];
  readonly block: BlockPointers;
  /** What the blocks of a shard write into the gradient; the list `shards` writes the rest. */
  readonly blockRanges: readonly ParameterRange[];
  /** Pending sums of these, a vector for each level of the tree but the lowest, which is the target itself. */
  readonly sums: readonly number[];
  /** The outputs of layers by their names, as far as they are kept, and of the model. */
  readonly values: Readonly<Record<string, Value>>;
  readonly output: Value;
}
