import { ANY, type GraphEmitter, type GraphValue, INT32 } from '../formats/graph.ts';

/** Cross-entropy of scores with classes. @param labels int32 [batch] */
export function crossEntropy(graph: GraphEmitter, scores: GraphValue, labels: GraphValue): GraphValue {
  const attributes = { Tlabels: INT32 };
  // Its second output is the gradient.
  const options = { op: 'SparseSoftmaxCrossEntropyWithLogits', others: [scores.shape] };
  return graph.add('loss/CrossEntropy', [scores, labels], [ANY], attributes, options);
}

/** 1 where the highest score is the label's, else 0. */
export function rightGuesses(graph: GraphEmitter, scores: GraphValue, labels: GraphValue): GraphValue {
  const axis = graph.constant('accuracy/axis', Int32Array.of(1), []);
  const types = { Tidx: INT32, output_type: INT32 };
  const guesses = graph.add('accuracy/ArgMax', [scores, axis], [ANY], types);
  const hits = graph.add('accuracy/Equal', [guesses, labels], [ANY], { T: INT32 });
  return graph.cast('accuracy/Cast', hits, 'bool', 'float');
}

/** The sum over the last axis. */
export function rowSums(graph: GraphEmitter, name: string, x: GraphValue): GraphValue {
  const axis = graph.constant(`${name}/axis`, Int32Array.of(x.shape.length - 1), []);
  return graph.add(`${name}/Sum`, [x, axis], x.shape.slice(0, -1), { Tidx: INT32, keep_dims: false });
}
