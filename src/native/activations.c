/* Activations of map stacks, forward and backward (src/kernel/activations.ts). */
#include "activation.h"
#include "record.h"

/* Numbers 0 to 2 are those of activation.h. */
enum { TANH = 3, SIGMOID, LEAKY_RELU };

/* x, times `slope` where `sign` <= 0; NaN passes. */
INLINE f8 leakyRelu(f8 x, f8 sign, float slope) { return select8(sign <= splat(0), x * splat(slope), x); }

INLINE f8 activated(f8 x, int32_t kind, float slope) {
  switch (kind) {
    case TANH: return tanh8(x);
    case SIGMOID: return sigmoid8(x);
    case LEAKY_RELU: return leakyRelu(x, x, slope);
    default: return denseActivate(x, kind);
  }
}

INLINE f8 deactivated(f8 d, f8 y, int32_t kind, float slope) {
  switch (kind) {
    case TANH: return flushTiny(d * (splat(1) - y * y), TINY);
    case SIGMOID: return flushTiny(d * (y * (splat(1) - y)), TINY);
    case LEAKY_RELU: return flushTiny(leakyRelu(d, y, slope), TINY);
    default: return denseDeactivate(d, y, kind);
  }
}

/* `kind` is a constant here. */
INLINE void activateMaps(MapStack x, MapStack out, int32_t maps, int32_t height, int32_t width, int32_t kind,
                         float slope) {
  const size_t bytes = (size_t)width * BLOCK;
  for (int32_t m = 0; m < maps; ++m) {
    for (int32_t y = 0; y < height; ++y) {
      const char *p = at(x, m, y);
      char *to = at(out, m, y);
      for (size_t i = 0; i < bytes; i += BLOCK) store8(to + i, activated(load8(p + i), kind, slope));
    }
  }
}

static void activate(MapStack x, MapStack out, int32_t maps, int32_t height, int32_t width, int32_t kind, float slope) {
  switch (kind) {
    case DENSE_RELU: return activateMaps(x, out, maps, height, width, DENSE_RELU, slope);
    case DENSE_SCALED_TANH: return activateMaps(x, out, maps, height, width, DENSE_SCALED_TANH, slope);
    case TANH: return activateMaps(x, out, maps, height, width, TANH, slope);
    case SIGMOID: return activateMaps(x, out, maps, height, width, SIGMOID, slope);
    case LEAKY_RELU: return activateMaps(x, out, maps, height, width, LEAKY_RELU, slope);
    default: return activateMaps(x, out, maps, height, width, DENSE_LINEAR, slope);
  }
}

/* `kind` is a constant here. */
INLINE void activateMapsBackward(MapStack y, MapStack dy, MapStack dx, int32_t maps, int32_t height, int32_t width,
                                 int32_t kind, float slope) {
  const size_t bytes = (size_t)width * BLOCK;
  for (int32_t m = 0; m < maps; ++m) {
    for (int32_t row = 0; row < height; ++row) {
      const char *p = at(y, m, row), *q = at(dy, m, row);
      char *to = at(dx, m, row);
      for (size_t i = 0; i < bytes; i += BLOCK) store8(to + i, deactivated(load8(q + i), load8(p + i), kind, slope));
    }
  }
}

static void activateBackward(MapStack y, MapStack dy, MapStack dx, int32_t maps, int32_t height, int32_t width,
                             int32_t kind, float slope) {
  switch (kind) {
    case DENSE_RELU: return activateMapsBackward(y, dy, dx, maps, height, width, DENSE_RELU, slope);
    case DENSE_SCALED_TANH: return activateMapsBackward(y, dy, dx, maps, height, width, DENSE_SCALED_TANH, slope);
    case TANH: return activateMapsBackward(y, dy, dx, maps, height, width, TANH, slope);
    case SIGMOID: return activateMapsBackward(y, dy, dx, maps, height, width, SIGMOID, slope);
    case LEAKY_RELU: return activateMapsBackward(y, dy, dx, maps, height, width, LEAKY_RELU, slope);
    default: return activateMapsBackward(y, dy, dx, maps, height, width, DENSE_LINEAR, slope);
  }
}
