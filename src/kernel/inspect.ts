/**
 * The forward pass for looking at: the kernel's own functions and the maps that it never stores. A module of its own, in
 * memory that isn't shared, so that browsers run it and the kernel's bytes, which are part of the numerics digest, stay.
 */
export { decode } from './input';
export { boxSum, foldSubsample } from './subsample';
export { convForward } from './conv/forward';
export { denseForward } from './dense/layer';
export { convMaps, probabilities, rbfDistances, spreadPixels } from './maps';
