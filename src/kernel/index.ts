export { clear, squareRoot } from './math';
export { decode } from './input';
export { boxSum, boxSumBackward, foldSubsample, unfoldGradient } from './subsample';
export { convForward, convInputGradient, convWeightGradient } from './conv';
export { activationBackward, denseForward, denseInputGradient, denseWeightGradient, transpose } from './dense';
export { rbfHead, softmaxHead } from './heads';
export { adam, add, biasCorrection, learningRate, meanAndSquares, sgd } from './optimizer';
