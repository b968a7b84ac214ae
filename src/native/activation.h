/* Activations of dense layers (src/kernel/dense/activation.ts). */
#pragma once

#include "math.h"

enum { DENSE_LINEAR, DENSE_RELU, DENSE_SCALED_TANH };

static const float AMPLITUDE = 1.7159f;
static const float SLOPE = 2.0f / 3.0f;

INLINE f8 denseActivate(f8 x, int32_t activation) {
  if (activation == DENSE_RELU) return relu(x);
  if (activation == DENSE_SCALED_TANH) return splat(AMPLITUDE) * tanh8(splat(SLOPE) * x);
  return x;
}

/* By the activation's own value `x`. */
INLINE f8 denseDeactivate(f8 d, f8 x, int32_t activation) {
  if (activation == DENSE_RELU) d = andNot(d, x <= splat(0));
  if (activation == DENSE_SCALED_TANH) {
    const f8 slope = splat(SLOPE) * (splat(AMPLITUDE) - (x * x) * splat(1 / AMPLITUDE));
    d = d * slope;
  }
  return flushTiny(d, TINY);
}
