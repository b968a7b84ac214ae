/**
 * The interpreter of a program, a list of records. Operations of a subject are dispatched by a function of their own, which
 * returns after one operation: an engine replaces baseline code by optimised code only at a call. They are exported for no
 * other reason than that the compiler doesn't inline them into the loop.
 */
import { activate, activateBackward } from './activations';
import { convForward as subsampledConv } from './conv/forward';
import {
  convInputGradient as subsampledConvInputGradient, convWeightGradient as subsampledConvWeightGradient,
} from './conv/gradient';
import { conv } from './convolution/forward';
import { biasGradient, convWeightGradient } from './convolution/weight-gradient';
import { activationBackward } from './dense/activation';
import { denseForward, denseInputGradient } from './dense/layer';
import { denseWeightGradient, transpose } from './dense/weight-gradient';
import { dropout, dropoutBackward } from './dropout';
import { addMaps, affine, copyMaps, mapAffine, mapAffineBackward } from './elementwise';
import { rbfHead } from './heads/rbf';
import { smoothedSoftmaxHead, softmaxHead, weightedSoftmaxHead } from './heads/softmax';
import { mseHead, sigmoidHead } from './heads/values';
import { decode } from './input';
import { LANES, clear } from './math';
import { batchNorm, batchNormBackward, batchNormInference, batchNormInferenceBackward } from './norm/batch';
import { groupNorm, groupNormBackward } from './norm/group';
import * as op from './operations';
import { packWeights } from './pack';
import { averagePool, averagePoolBackward } from './pool/average';
import { maxPool, maxPoolBackward } from './pool/max';
import { RECORD, columns, float, int, maps, pointer, rows, within } from './record';
import { decodeBytes, decodeFloats } from './samples';
import { boxSum, boxSumBackward, foldSubsample, unfoldGradient } from './subsample';

/**
 * Runs a program's list.
 * @param list records
 * @param operations how many
 * @param weights, gradient what offsets count from
 * @param samples the data set's inputs; targets its float32 targets
 * @param count real samples of the block, 1 to LANES; in a list that runs once a group of shards, the shards
 * @param kept the block's number within the group of shards
 * @param accumulate 0 writes gradients, 1 adds to them (one float32 addition of the block's sum)
 */
export function run(
  list: usize, operations: i32, weights: usize, gradient: usize, samples: usize, targets: usize,
  count: i32, kept: i32, accumulate: bool,
): void {
  for (const end = list + <usize>operations * RECORD; list < end; list += RECORD) {
    const operation = load<i32>(list);
    if (operation <= op.SUBSAMPLED_CONV_INPUT_GRADIENT) runLenet(list, weights, gradient, samples, count, accumulate);
    else if (operation <= op.DENSE_WEIGHT_GRADIENT) runDense(list, weights, gradient, count, kept);
    else if (operation <= op.PACK_WEIGHTS) runInputAndHead(list, weights, samples, count);
    else if (operation <= op.BIAS_GRADIENT) runConvolution(list, weights, gradient, accumulate);
    else if (operation <= op.AVERAGE_POOL_BACKWARD) runPool(list);
    else if (operation <= op.ACTIVATE_BACKWARD) runActivation(list);
    else if (operation <= op.GROUP_NORM_BACKWARD) runNorm(list, weights, gradient, count, accumulate);
    else if (operation <= op.MAP_AFFINE_BACKWARD) runElementwise(list, weights, gradient, accumulate);
    else if (operation == op.BATCH_NORM_INFERENCE_BACKWARD) runNorm(list, weights, gradient, count, accumulate);
    else runHead(list, targets, count);
  }
}

/** LeNet-5's fused layers. */
export function runLenet(r: usize, w: usize, g: usize, samples: usize, count: i32, accumulate: bool): void {
  switch (load<i32>(r)) {
    case op.DECODE_BOX_SUMS:
      return decode(
        samples, pointer(r, 1), pointer(r, 2), count, int(r, 3), int(r, 4), int(r, 5), int(r, 6), int(r, 7),
        pointer(r, 8), pointer(r, 9),
      );
    case op.BOX_SUM: return boxSum(pointer(r, 1), int(r, 2), int(r, 3), int(r, 4), pointer(r, 5));
    case op.BOX_SUM_BACKWARD:
      return boxSumBackward(pointer(r, 1), pointer(r, 2), int(r, 3), int(r, 4), int(r, 5), pointer(r, 6));
    case op.FOLD_SUBSAMPLE:
      return foldSubsample(
        within(w, r, 1), within(w, r, 2), within(w, r, 3), within(w, r, 4), pointer(r, 5), int(r, 6), int(r, 7),
        pointer(r, 8), pointer(r, 9),
      );
    case op.SUBSAMPLED_CONV:
      return subsampledConv(
        pointer(r, 1), pointer(r, 2), pointer(r, 3), pointer(r, 4), pointer(r, 5), pointer(r, 6), pointer(r, 7),
        int(r, 8), int(r, 9), int(r, 10), int(r, 11), pointer(r, 12),
      );
    case op.SUBSAMPLED_CONV_WEIGHT_GRADIENT:
      return subsampledConvWeightGradient(
        pointer(r, 1), pointer(r, 2), pointer(r, 3), pointer(r, 4), pointer(r, 5), pointer(r, 6),
        int(r, 7), int(r, 8), int(r, 9), int(r, 10), pointer(r, 11), pointer(r, 12),
      );
    case op.UNFOLD_GRADIENT:
      return unfoldGradient(
        within(w, r, 1), within(w, r, 2), within(w, r, 3), pointer(r, 4), int(r, 5), int(r, 6), pointer(r, 7), pointer(r, 8),
        within(g, r, 9), within(g, r, 10), within(g, r, 11), within(g, r, 12), accumulate,
      );
    case op.SUBSAMPLED_CONV_INPUT_GRADIENT:
      return subsampledConvInputGradient(
        pointer(r, 1), pointer(r, 2), pointer(r, 3), pointer(r, 4), int(r, 5), int(r, 6), int(r, 7), int(r, 8),
        pointer(r, 9), pointer(r, 10), pointer(r, 11),
      );
    default: unreachable();
  }
}

/** Dense layers. */
export function runDense(r: usize, w: usize, g: usize, count: i32, kept: i32): void {
  switch (load<i32>(r)) {
    case op.CLEAR: return clear(pointer(r, 1), pointer(r, 2));
    case op.DENSE_FORWARD:
      return denseForward(
        within(w, r, 1), within(w, r, 2), pointer(r, 3), int(r, 4), int(r, 5), int(r, 6), pointer(r, 7),
      );
    case op.DENSE_INPUT_GRADIENT:
      return denseInputGradient(
        within(w, r, 1), pointer(r, 2), pointer(r, 3), int(r, 4), int(r, 5), int(r, 6), pointer(r, 7),
      );
    case op.TRANSPOSE: return transpose(pointer(r, 1), int(r, 2), pointer(r, 3) + <usize>kept * pointer(r, 4));
    case op.DENSE_WEIGHT_GRADIENT:
      return denseWeightGradient(
        pointer(r, 1), pointer(r, 9), pointer(r, 2), pointer(r, 10), count, int(r, 3) / LANES, int(r, 4), int(r, 5),
        within(g, r, 6), within(g, r, 7), pointer(r, 8),
      );
    default: unreachable();
  }
}

/** Heads over labels, and how samples and weights come in. */
export function runInputAndHead(r: usize, w: usize, samples: usize, count: i32): void {
  switch (load<i32>(r)) {
    case op.SOFTMAX_HEAD: {
      const loss = softmaxHead(pointer(r, 1), pointer(r, 2), count, int(r, 3), pointer(r, 4), pointer(r, 5));
      return store<f64>(pointer(r, 6), loss);
    }
    case op.RBF_HEAD: {
      const loss = rbfHead(
        pointer(r, 1), pointer(r, 2), pointer(r, 3), count, int(r, 4), int(r, 5), float(r, 6),
        pointer(r, 7), pointer(r, 8), pointer(r, 9),
      );
      return store<f64>(pointer(r, 10), loss);
    }
    case op.ACTIVATION_BACKWARD:
      return activationBackward(pointer(r, 1), pointer(r, 2), int(r, 3), int(r, 4), pointer(r, 5));
    case op.DECODE_BYTES:
      return decodeBytes(samples, pointer(r, 4), pointer(r, 5), count, maps(r, 1), int(r, 6), rows(r, 7), columns(r, 7));
    case op.DECODE_FLOATS:
      return decodeFloats(samples, pointer(r, 4), pointer(r, 5), count, maps(r, 1), int(r, 6), rows(r, 7), columns(r, 7));
    case op.PACK_WEIGHTS:
      return packWeights(within(w, r, 1), int(r, 2), int(r, 3), pointer(r, 4), pointer(r, 5), pointer(r, 6));
    default: unreachable();
  }
}

export function runConvolution(r: usize, w: usize, g: usize, accumulate: bool): void {
  switch (load<i32>(r)) {
    case op.CONV:
      return conv(
        pointer(r, 1), pointer(r, 2), pointer(r, 3), pointer(r, 4), int(r, 5), pointer(r, 6), within(w, r, 7),
        int(r, 8), int(r, 9), int(r, 10), pointer(r, 11), pointer(r, 12), pointer(r, 13), pointer(r, 14), int(r, 15),
      );
    case op.CONV_WEIGHT_GRADIENT:
      return convWeightGradient(
        pointer(r, 1), pointer(r, 2), pointer(r, 3), pointer(r, 4), int(r, 5), pointer(r, 6), pointer(r, 7), pointer(r, 8),
        int(r, 9), int(r, 10), int(r, 11), within(g, r, 12), accumulate,
      );
    case op.BIAS_GRADIENT: return biasGradient(maps(r, 1), int(r, 4), rows(r, 5), columns(r, 5), within(g, r, 6), accumulate);
    default: unreachable();
  }
}

export function runPool(r: usize): void {
  switch (load<i32>(r)) {
    case op.MAX_POOL:
      return maxPool(
        maps(r, 1), maps(r, 4), int(r, 7), rows(r, 8), columns(r, 8), rows(r, 9), columns(r, 9),
        rows(r, 10), columns(r, 10), rows(r, 11), columns(r, 11), rows(r, 12), columns(r, 12),
      );
    case op.MAX_POOL_BACKWARD:
      return maxPoolBackward(
        maps(r, 1), maps(r, 4), maps(r, 7), int(r, 10), rows(r, 11), columns(r, 11), rows(r, 12), columns(r, 12),
        rows(r, 13), columns(r, 13), rows(r, 14), columns(r, 14), rows(r, 15), columns(r, 15),
      );
    case op.AVERAGE_POOL:
      return averagePool(
        maps(r, 1), maps(r, 4), int(r, 7), rows(r, 8), columns(r, 8), rows(r, 9), columns(r, 9),
        rows(r, 10), columns(r, 10), rows(r, 11), columns(r, 11), rows(r, 12), columns(r, 12),
      );
    case op.AVERAGE_POOL_BACKWARD:
      return averagePoolBackward(
        maps(r, 1), maps(r, 4), int(r, 7), rows(r, 8), columns(r, 8), rows(r, 9), columns(r, 9),
        rows(r, 10), columns(r, 10), rows(r, 11), columns(r, 11), rows(r, 12), columns(r, 12),
      );
    default: unreachable();
  }
}

export function runActivation(r: usize): void {
  switch (load<i32>(r)) {
    case op.ACTIVATE:
      return activate(maps(r, 1), maps(r, 4), int(r, 7), rows(r, 8), columns(r, 8), int(r, 9), float(r, 10));
    case op.ACTIVATE_BACKWARD:
      return activateBackward(
        maps(r, 1), maps(r, 4), maps(r, 7), int(r, 10), rows(r, 11), columns(r, 11), int(r, 12), float(r, 13),
      );
    default: unreachable();
  }
}

export function runNorm(r: usize, w: usize, g: usize, count: i32, accumulate: bool): void {
  switch (load<i32>(r)) {
    case op.BATCH_NORM:
      return batchNorm(
        maps(r, 1), maps(r, 4), int(r, 7), rows(r, 8), columns(r, 8), within(w, r, 9), within(w, r, 10), pointer(r, 11),
        within(g, r, 12), within(g, r, 13), float(r, 14), count, accumulate,
      );
    case op.BATCH_NORM_INFERENCE:
      return batchNormInference(
        maps(r, 1), maps(r, 4), int(r, 7), rows(r, 8), columns(r, 8), within(w, r, 9), within(w, r, 10), within(w, r, 11),
        within(w, r, 12), float(r, 13), count,
      );
    case op.BATCH_NORM_BACKWARD:
      return batchNormBackward(
        maps(r, 1), maps(r, 4), maps(r, 7), int(r, 10), rows(r, 11), columns(r, 11), within(w, r, 12), pointer(r, 13),
        within(g, r, 14), count, accumulate,
      );
    case op.BATCH_NORM_INFERENCE_BACKWARD:
      return batchNormInferenceBackward(
        maps(r, 1), maps(r, 4), int(r, 7), rows(r, 8), columns(r, 8), within(w, r, 9), within(w, r, 10), float(r, 11), count,
      );
    case op.GROUP_NORM:
      return groupNorm(
        maps(r, 1), maps(r, 4), int(r, 7), rows(r, 8), columns(r, 8), int(r, 9), within(w, r, 10), within(w, r, 11),
        pointer(r, 12), float(r, 13), count,
      );
    case op.GROUP_NORM_BACKWARD:
      return groupNormBackward(
        maps(r, 1), maps(r, 4), maps(r, 7), int(r, 10), rows(r, 11), columns(r, 11), int(r, 12), within(w, r, 13),
        pointer(r, 14), within(g, r, 15), count, accumulate,
      );
    default: unreachable();
  }
}

/** Dropout, sums, copies, scales. */
export function runElementwise(r: usize, w: usize, g: usize, accumulate: bool): void {
  switch (load<i32>(r)) {
    case op.DROPOUT:
      return dropout(
        maps(r, 1), maps(r, 4), int(r, 7), rows(r, 8), columns(r, 8), int(r, 9), int(r, 10), float(r, 11),
        pointer(r, 12), pointer(r, 13), pointer(r, 14),
      );
    case op.DROPOUT_BACKWARD:
      return dropoutBackward(maps(r, 1), maps(r, 4), int(r, 7), rows(r, 8), columns(r, 8), float(r, 9), pointer(r, 10));
    case op.ADD_MAPS: return addMaps(maps(r, 1), maps(r, 4), maps(r, 7), int(r, 10), rows(r, 11), columns(r, 11));
    case op.COPY_MAPS: return copyMaps(maps(r, 1), maps(r, 4), int(r, 7), rows(r, 8), columns(r, 8));
    case op.AFFINE:
      return affine(maps(r, 1), maps(r, 4), int(r, 7), rows(r, 8), columns(r, 8), float(r, 9), float(r, 10));
    case op.MAP_AFFINE:
      return mapAffine(
        maps(r, 1), maps(r, 4), int(r, 7), rows(r, 8), columns(r, 8), within(w, r, 9), within(w, r, 10), float(r, 11),
      );
    case op.MAP_AFFINE_BACKWARD:
      return mapAffineBackward(
        maps(r, 1), maps(r, 4), maps(r, 7), int(r, 10), rows(r, 11), columns(r, 11), within(w, r, 12), within(g, r, 13),
        float(r, 14), accumulate,
      );
    default: unreachable();
  }
}

/** Heads with options or float32 targets. */
export function runHead(r: usize, targets: usize, count: i32): void {
  switch (load<i32>(r)) {
    case op.SMOOTHED_SOFTMAX_HEAD: {
      const loss = smoothedSoftmaxHead(
        pointer(r, 1), pointer(r, 2), count, int(r, 3), pointer(r, 4), pointer(r, 5), float(r, 7), pointer(r, 8),
      );
      return store<f64>(pointer(r, 6), loss);
    }
    case op.WEIGHTED_SOFTMAX_HEAD: {
      const loss = weightedSoftmaxHead(
        pointer(r, 1), pointer(r, 2), count, int(r, 3), pointer(r, 4), pointer(r, 5), float(r, 7), pointer(r, 8),
      );
      return store<f64>(pointer(r, 6), loss);
    }
    case op.SIGMOID_HEAD: {
      const loss = sigmoidHead(pointer(r, 1), targets, pointer(r, 6), count, int(r, 2), pointer(r, 3), pointer(r, 4));
      return store<f64>(pointer(r, 5), loss);
    }
    case op.MSE_HEAD: {
      const loss = mseHead(pointer(r, 1), targets, pointer(r, 5), count, int(r, 2), pointer(r, 3));
      return store<f64>(pointer(r, 4), loss);
    }
    default: unreachable();
  }
}
