/* Group norm (src/kernel/norm/group.ts). */
#include "norm.h"

/* Bytes that are kept of a group: the lanes' means, then their 1 / sqrt(variance + epsilon). */
enum { SAVED_OF_GROUP = 2 * BLOCK };

INLINE d8 product(d8 x, double by) { return (d8){x.low * wide(by), x.high * wide(by)}; }
INLINE d8 quotient(d8 x, double by) { return (d8){x.low / wide(by), x.high / wide(by)}; }

INLINE d4 inverseRoot4(d4 x) { return wide(1) / (d4)_mm256_sqrt_pd((__m256d)x); }
/* 1 / sqrt(variance + epsilon). */
INLINE d8 inverseRoot(d8 variance, float epsilon) {
  const d4 small = wide((double)epsilon);
  return (d8){inverseRoot4(variance.low + small), inverseRoot4(variance.high + small)};
}

static void groupNorm(MapStack x, MapStack out, int32_t maps, int32_t height, int32_t width, int32_t groups,
                      const char *weight, const char *bias, char *saved, float epsilon, int32_t count) {
  const int32_t each = maps / groups;
  const double values = (double)each * (double)height * (double)width;
  for (int32_t first = 0; first < maps; first += each, saved += SAVED_OF_GROUP) {
    d8 sum = zeros(), squares = zeros();
    for (int32_t m = first; m < first + each; ++m) addMap(&sum, x, m, height, width);
    const f8 mean = toFloat(quotient(sum, values));
    for (int32_t m = first; m < first + each; ++m) addDeviations(&squares, x, m, height, width, mean);
    const f8 invstd = toFloat(inverseRoot(quotient(squares, values), epsilon));
    store8(saved, mean);
    store8(saved + BLOCK, invstd);
    for (int32_t m = first; m < first + each; ++m) {
      const f8 factor = invstd * splatAt(weight + (size_t)m * 4);
      normalizeMap(x, out, m, height, width, count, mean, factor, splatAt(bias + (size_t)m * 4));
    }
  }
}

/* The maps `first` to `end` of one group, among `maps`. */
static void groupBackward(MapStack x, MapStack dy, MapStack dx, int32_t maps, int32_t first, int32_t end,
                          int32_t height, int32_t width, const char *weight, const char *saved, char *gradient,
                          int32_t count, bool accumulate) {
  const f8 mean = load8(saved), invstd = load8(saved + BLOCK);
  // The group's sums of weight dy and of weight dy n.
  d8 deltas = zeros(), products = zeros();
  for (int32_t m = first; m < end; ++m) {
    const size_t offset = (size_t)m * 4;
    const double w = (double)loadFloat(weight + offset);
    const DeltaSums sums = deltaSums(x, dy, m, height, width, mean, invstd);
    if (gradient != NULL) {
      put(gradient + offset, (float)sumOfReal(&sums.products, count), accumulate);
      put(gradient + (size_t)maps * 4 + offset, (float)sumOfReal(&sums.deltas, count), accumulate);
    }
    addDoubles(&deltas, product(sums.deltas, w));
    addDoubles(&products, product(sums.products, w));
  }
  const double values = (double)(end - first) * (double)height * (double)width;
  const f8 s = toFloat(quotient(deltas, values)), t = toFloat(quotient(products, values));
  for (int32_t m = first; m < end; ++m)
    inputGradient(x, dy, dx, m, height, width, count, mean, invstd, splatAt(weight + (size_t)m * 4), invstd, s, t);
}

static void groupNormBackward(MapStack x, MapStack dy, MapStack dx, int32_t maps, int32_t height, int32_t width,
                              int32_t groups, const char *weight, const char *saved, char *gradient, int32_t count,
                              bool accumulate) {
  const int32_t each = maps / groups;
  for (int32_t first = 0; first < maps; first += each, saved += SAVED_OF_GROUP)
    groupBackward(x, dy, dx, maps, first, first + each, height, width, weight, saved, gradient, count, accumulate);
}
