/* The interpreter of a program's lists: one call runs a block's operations (src/kernel/run.ts). */
#include "kernel.h"
#include "operations.h"
#include "record.h"

#define CASE(operation, call) case operation: call; return true
#define LOSS_CASE(operation, place, call)  \
  case operation: {                        \
    const double loss = call;              \
    memcpy(P(place), &loss, 8);            \
    return true;                           \
  }

/* Whether it knew the operation. */
static bool runOne(const char *r, const Run *c) {
  switch (intAt(r, 0)) {
    CASE(CLEAR, memset(P(1), 0, U(2)));
    CASE(DECODE_BOX_SUMS, decode(c->samples, P(1), P(2), c->count, I(3), I(4), I(5), I(6), I(7), P(8), P(9)));
    CASE(BOX_SUM, boxSum(P(1), I(2), I(3), I(4), P(5)));
    CASE(BOX_SUM_BACKWARD, boxSumBackward(P(1), P(2), I(3), I(4), I(5), P(6)));
    CASE(FOLD_SUBSAMPLE, foldSubsample(W(1), W(2), W(3), W(4), P(5), I(6), I(7), P(8), P(9)));
    CASE(SUBSAMPLED_CONV,
         subsampledConv(P(1), U(2), U(3), P(4), P(5), P(6), P(7), I(8), I(9), I(10), I(11), P(12)));
    CASE(SUBSAMPLED_CONV_WEIGHT_GRADIENT,
         subsampledConvWeightGradient(P(1), U(2), U(3), P(4), P(5), P(6), I(7), I(8), I(9), I(10), P(11), P(12)));
    CASE(UNFOLD_GRADIENT, unfoldGradient(W(1), W(2), W(3), P(4), I(5), I(6), P(7), P(8), G(9), G(10), G(11), G(12),
                                         c->accumulate));
    CASE(SUBSAMPLED_CONV_INPUT_GRADIENT,
         subsampledConvInputGradient(P(1), P(2), P(3), P(4), I(5), I(6), I(7), I(8), P(9), U(10), U(11)));
    CASE(DENSE_FORWARD, denseForward(W(1), W(2), P(3), I(4), I(5), I(6), P(7)));
    CASE(DENSE_INPUT_GRADIENT, denseInputGradient(W(1), P(2), P(3), I(4), I(5), I(6), P(7)));
    CASE(TRANSPOSE, transpose(P(1), I(2), P(3) + (size_t)c->kept * U(4)));
    CASE(DENSE_WEIGHT_GRADIENT, denseWeightGradient(P(1), U(9), P(2), U(10), c->count, I(3) / LANES, I(4), I(5), G(6),
                                                    G(7)));
    CASE(ACTIVATION_BACKWARD, activationBackward(P(1), P(2), I(3), I(4), P(5)));
    LOSS_CASE(SOFTMAX_HEAD, 6, softmaxHead(P(1), P(2), c->count, I(3), P(4), P(5)))
    LOSS_CASE(RBF_HEAD, 10, rbfHead(P(1), P(2), P(3), c->count, I(4), I(5), F(6), P(7), P(8), P(9)))
    LOSS_CASE(SMOOTHED_SOFTMAX_HEAD, 6, smoothedSoftmaxHead(P(1), P(2), c->count, I(3), P(4), P(5), F(7), P(8)))
    LOSS_CASE(WEIGHTED_SOFTMAX_HEAD, 6, weightedSoftmaxHead(P(1), P(2), c->count, I(3), P(4), P(5), F(7), P(8)))
    LOSS_CASE(SIGMOID_HEAD, 5, sigmoidHead(P(1), c->targets, P(6), c->count, I(2), P(3), P(4)))
    LOSS_CASE(MSE_HEAD, 4, mseHead(P(1), c->targets, P(5), c->count, I(2), P(3)))
    CASE(DECODE_BYTES, decodeBytes(c->samples, P(4), P(5), c->count, M(1), I(6), SIZE(7)));
    CASE(DECODE_FLOATS, decodeFloats(c->samples, P(4), P(5), c->count, M(1), I(6), SIZE(7)));
    CASE(PACK_WEIGHTS, packWeights(W(1), I(2), I(3), U(4), P(5), P(6)));
    CASE(CONV, conv(P(1), U(2), U(3), P(4), I(5), P(6), W(7), I(8), I(9), I(10), P(11), U(12), U(13), U(14), I(15)));
    CASE(CONV_WEIGHT_GRADIENT, convWeightGradient(P(1), U(2), U(3), P(4), I(5), P(6), U(7), U(8), I(9), I(10), I(11),
                                                  G(12), c->accumulate));
    CASE(BIAS_GRADIENT, biasGradient(M(1), I(4), SIZE(5), G(6), c->accumulate));
    CASE(MAX_POOL, maxPool(M(1), M(4), I(7), SIZE(8), SIZE(9), SIZE(10), SIZE(11), SIZE(12)));
    CASE(MAX_POOL_BACKWARD,
         maxPoolBackward(M(1), M(4), M(7), I(10), SIZE(11), SIZE(12), SIZE(13), SIZE(14), SIZE(15)));
    CASE(AVERAGE_POOL, averagePool(M(1), M(4), I(7), SIZE(8), SIZE(9), SIZE(10), SIZE(11), SIZE(12)));
    CASE(AVERAGE_POOL_BACKWARD, averagePoolBackward(M(1), M(4), I(7), SIZE(8), SIZE(9), SIZE(10), SIZE(11), SIZE(12)));
    CASE(ACTIVATE, activate(M(1), M(4), I(7), SIZE(8), I(9), F(10)));
    CASE(ACTIVATE_BACKWARD, activateBackward(M(1), M(4), M(7), I(10), SIZE(11), I(12), F(13)));
    CASE(BATCH_NORM, batchNorm(M(1), M(4), I(7), SIZE(8), W(9), W(10), P(11), G(12), G(13), F(14), c->count,
                               c->accumulate));
    CASE(BATCH_NORM_INFERENCE,
         batchNormInference(M(1), M(4), I(7), SIZE(8), W(9), W(10), W(11), W(12), F(13), c->count));
    CASE(BATCH_NORM_BACKWARD, batchNormBackward(M(1), M(4), M(7), I(10), SIZE(11), W(12), P(13), G(14), c->count,
                                                c->accumulate));
    CASE(BATCH_NORM_INFERENCE_BACKWARD,
         batchNormInferenceBackward(M(1), M(4), I(7), SIZE(8), W(9), W(10), F(11), c->count));
    CASE(GROUP_NORM, groupNorm(M(1), M(4), I(7), SIZE(8), I(9), W(10), W(11), P(12), F(13), c->count));
    CASE(GROUP_NORM_BACKWARD, groupNormBackward(M(1), M(4), M(7), I(10), SIZE(11), I(12), W(13), P(14), G(15),
                                                c->count, c->accumulate));
    CASE(DROPOUT, dropout(M(1), M(4), I(7), SIZE(8), I(9), I(10), F(11), P(12), P(13), P(14)));
    CASE(DROPOUT_BACKWARD, dropoutBackward(M(1), M(4), I(7), SIZE(8), F(9), P(10)));
    CASE(ADD_MAPS, addMaps(M(1), M(4), M(7), I(10), SIZE(11)));
    CASE(COPY_MAPS, copyMaps(M(1), M(4), I(7), SIZE(8)));
    CASE(AFFINE, affine(M(1), M(4), I(7), SIZE(8), F(9), F(10)));
    CASE(MAP_AFFINE, mapAffine(M(1), M(4), I(7), SIZE(8), W(9), W(10), F(11)));
    CASE(MAP_AFFINE_BACKWARD, mapAffineBackward(M(1), M(4), M(7), I(10), SIZE(11), W(12), G(13), F(14), c->accumulate));
    default: return false;
  }
}

static bool run(const Run *c) {
  const char *const end = c->list + (size_t)c->operations * RECORD;
  for (const char *r = c->list; r < end; r += RECORD)
    if (!runOne(r, c)) return false;
  return true;
}
