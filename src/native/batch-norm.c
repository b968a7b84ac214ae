/* Batch norm over the real samples of one block (src/kernel/norm/batch.ts). */
#include "norm.h"

/* Bytes that are kept of a map. */
enum { SAVED_OF_MAP = 12 };

static void batchNorm(MapStack x, MapStack out, int32_t maps, int32_t height, int32_t width, const char *weight,
                      const char *bias, char *saved, char *runningMean, char *runningVar, float epsilon, int32_t count,
                      bool accumulate) {
  const double values = (double)count * (double)height * (double)width;
  for (int32_t m = 0; m < maps; ++m, saved += SAVED_OF_MAP) {
    const size_t offset = (size_t)m * 4;
    d8 sum = zeros(), squares = zeros();
    addMap(&sum, x, m, height, width);
    const double mean = sumOfReal(&sum, count) / values;
    const f8 center = splat((float)mean);
    addDeviations(&squares, x, m, height, width, center);
    const double variance = sumOfReal(&squares, count) / values;
    const float invstd = (float)(1 / __builtin_sqrt(variance + (double)epsilon));
    // Times a large invstd, what rounding takes from the mean would move all values.
    const double lost = mean - (double)(float)mean;
    storeFloat(saved, (float)mean);
    storeFloat(saved + 4, invstd);
    storeFloat(saved + 8, (float)(lost * (double)invstd));
    if (runningMean != NULL) {
      put(runningMean + offset, (float)((double)count * mean), accumulate);
      put(runningVar + offset, (float)((double)count * variance), accumulate);
    }
    const float factor = invstd * loadFloat(weight + offset);
    const f8 shift = splat((float)((double)loadFloat(bias + offset) - lost * (double)factor));
    normalizeMap(x, out, m, height, width, count, center, splat(factor), shift);
  }
}

/* invstd weight of one map. */
INLINE f8 inferenceFactor(const char *weight, const char *variance, float epsilon) {
  const float invstd = (float)(1 / __builtin_sqrt((double)loadFloat(variance) + (double)epsilon));
  return splat(invstd * loadFloat(weight));
}

static void batchNormInference(MapStack x, MapStack out, int32_t maps, int32_t height, int32_t width,
                               const char *weight, const char *bias, const char *mean, const char *variance,
                               float epsilon, int32_t count) {
  for (int32_t m = 0; m < maps; ++m) {
    const size_t offset = (size_t)m * 4;
    const f8 factor = inferenceFactor(weight + offset, variance + offset, epsilon);
    normalizeMap(x, out, m, height, width, count, splatAt(mean + offset), factor, splatAt(bias + offset));
  }
}

static void batchNormInferenceBackward(MapStack dy, MapStack dx, int32_t maps, int32_t height, int32_t width,
                                       const char *weight, const char *variance, float epsilon, int32_t count) {
  const i8v magnitude = magnitudeMask(count);
  const size_t bytes = (size_t)width * BLOCK;
  for (int32_t m = 0; m < maps; ++m) {
    const size_t offset = (size_t)m * 4;
    const f8 factor = inferenceFactor(weight + offset, variance + offset, epsilon);
    for (int32_t y = 0; y < height; ++y) {
      const char *p = at(dy, m, y);
      char *to = at(dx, m, y);
      for (size_t i = 0; i < bytes; i += BLOCK) store8(to + i, flushReal(load8(p + i) * factor, magnitude));
    }
  }
}

static void batchNormBackward(MapStack x, MapStack dy, MapStack dx, int32_t maps, int32_t height, int32_t width,
                              const char *weight, const char *saved, char *gradient, int32_t count, bool accumulate) {
  const double values = (double)count * (double)height * (double)width;
  for (int32_t m = 0; m < maps; ++m, saved += SAVED_OF_MAP) {
    const size_t offset = (size_t)m * 4;
    const f8 mean = splatAt(saved), invstd = splatAt(saved + 4);
    const double lost = (double)loadFloat(saved + 8);
    const DeltaSums sums = deltaSums(x, dy, m, height, width, mean, invstd);
    const double dbias = sumOfReal(&sums.deltas, count);
    const double dweight = sumOfReal(&sums.products, count) - lost * dbias;
    if (gradient != NULL) {
      put(gradient + offset, (float)dweight, accumulate);
      put(gradient + (size_t)maps * 4 + offset, (float)dbias, accumulate);
    }
    const f8 factor = splat(loadFloat(weight + offset) * loadFloat(saved + 4));
    const f8 a = splat((float)((dbias - lost * dweight) / values)), b = splat((float)(dweight / values));
    inputGradient(x, dy, dx, m, height, width, count, mean, invstd, splat(1), factor, a, b);
  }
}
