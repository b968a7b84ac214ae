/**
 * The forward pass for looking at: the kernel's own operations, and what people want to know of a model's outputs. A module of
 * its own, in memory that isn't shared, so that browsers run it.
 */
export { run } from './run';
export { labelProbabilities, probabilities, rbfDistances } from './outputs';
