/* LeNet-5's input, box sums and folded subsampling (src/kernel/input.ts, subsample.ts). */
#include "math.h"
#include "samples.h"
#include "transpose.h"

static void place(const char *image, int32_t width, int32_t height, char *plane, int32_t stride, int32_t top,
                  int32_t left) {
  char *target = plane + (top * stride + left);
  for (int32_t y = 0; y < height; ++y) memcpy(target + (size_t)y * stride, image + (size_t)y * width, width);
}

static void boxSumBytes(const uint8_t *restrict plane, int32_t stride, int32_t side, uint16_t *restrict sums) {
  const uint8_t *restrict below = plane + stride;
  const int32_t positions = (side - 1) * stride;
  for (int32_t p = 0; p < positions; ++p) sums[p] = (uint16_t)(plane[p] + plane[p + 1] + below[p] + below[p + 1]);
}

/* All samples' sums at eight positions, to [position][lane]. */
INLINE void transposeSums(const char *sums, size_t sampleBytes, char *out) {
  f8 rows[LANES];
#pragma GCC unroll 8
  for (int s = 0; s < LANES; ++s) {
    const __m128i narrow = _mm_loadu_si128((const __m128i *)(sums + s * sampleBytes));
    rows[s] = (f8)_mm256_cvtepi32_ps(_mm256_cvtepu16_epi32(narrow)) * splat(1.0f / 255.0f);
  }
  transposeLanes(rows);
#pragma GCC unroll 8
  for (int k = 0; k < LANES; ++k) store8(out + k * BLOCK, rows[k]);
}

static void decode(const char *images, const char *indices, const char *shifts, int32_t count, int32_t width,
                   int32_t height, int32_t padding, int32_t stride, int32_t side, char *scratch, char *out) {
  const size_t planeBytes = (size_t)(side + 1) * stride;
  const size_t sampleBytes = (size_t)2 * side * stride;
  char *const sums = scratch + planeBytes * LANES;
  const size_t each = (size_t)width * height;
  memset(scratch, 0, planeBytes * LANES);
  prefetchSamples(images, indices, count, each);
  for (int32_t s = 0; s < LANES; ++s) {
    char *const plane = scratch + planeBytes * s;
    if (s < count) {
      const char *image = images + (size_t)loadInt(indices + 4 * s) * each;
      const int8_t *shift = (const int8_t *)shifts + 2 * s;
      place(image, width, height, plane, stride, padding + shift[0], padding + shift[1]);
    }
    boxSumBytes((const uint8_t *)plane, stride, side, (uint16_t *)(sums + sampleBytes * s));
  }
  const size_t positions = (size_t)(side - 1) * stride;
  for (size_t p = 0; p < positions; p += 8) transposeSums(sums + 2 * p, sampleBytes, out + p * BLOCK);
}

static void foldSubsample(const char *weight, const char *bias, const char *coefficient, const char *subsampleBias,
                          const char *starts, int32_t taps, int32_t maps, char *folded, char *foldedBias) {
  for (int32_t o = 0; o < maps; ++o) {
    const size_t at = (size_t)o << 2;
    const float c = loadFloat(coefficient + at);
    const size_t begin = (size_t)loadInt(starts + at) * taps << 2;
    const size_t end = (size_t)loadInt(starts + at + 4) * taps << 2;
    size_t k = begin;
    for (; k + BLOCK <= end; k += BLOCK) store8(folded + k, splat(c) * load8(weight + k));
    for (; k < end; k += 4) storeFloat(folded + k, c * loadFloat(weight + k));
    storeFloat(foldedBias + at, 4 * c * loadFloat(bias + at) + loadFloat(subsampleBias + at));
  }
}

static void unfoldGradient(const char *weight, const char *bias, const char *coefficient, const char *starts,
                           int32_t taps, int32_t maps, const char *foldedGradient, const char *foldedBiasGradient,
                           char *weightGradient, char *biasGradient, char *coefficientGradient,
                           char *subsampleBiasGradient, bool accumulate) {
  for (int32_t o = 0; o < maps; ++o) {
    const size_t at = (size_t)o << 2;
    const float c = loadFloat(coefficient + at);
    const float d = loadFloat(foldedBiasGradient + at);
    const size_t begin = (size_t)loadInt(starts + at) * taps << 2;
    const size_t end = (size_t)loadInt(starts + at + 4) * taps << 2;
    float dc = 0;
    for (size_t k = begin; k < end; k += 4) {
      const float g = loadFloat(foldedGradient + k);
      dc += g * loadFloat(weight + k);
      put(weightGradient + k, c * g, accumulate);
    }
    put(biasGradient + at, 4 * c * d, accumulate);
    put(coefficientGradient + at, dc + 4 * loadFloat(bias + at) * d, accumulate);
    put(subsampleBiasGradient + at, d, accumulate);
  }
}

/* The sum of the 2x2 window at `x`. */
INLINE f8 windowSum(const char *x, size_t row) {
  const char *below = x + row;
  return (load8(x) + load8(x + BLOCK)) + (load8(below) + load8(below + BLOCK));
}

static void boxSum(const char *x, int32_t maps, int32_t height, int32_t width, char *out) {
  const size_t row = (size_t)width * BLOCK;
  for (int32_t m = 0; m < maps; ++m, x += row) {
    for (int32_t y = 1; y < height; ++y, x += row) {
      for (size_t p = 0; p < row - BLOCK; p += BLOCK, out += BLOCK) store8(out, windowSum(x + p, row));
    }
  }
}

static void boxSumBackward(const char *d, const char *x, int32_t maps, int32_t height, int32_t width, char *out) {
  const size_t row = (size_t)(width + 1) * BLOCK;
  for (int32_t m = 0; m < maps; ++m, d += row) {
    for (int32_t y = 0; y < height; ++y, d += row) {
      for (size_t p = 0; p < row - BLOCK; p += BLOCK, x += BLOCK, out += BLOCK)
        store8(out, flushTiny(andNot(windowSum(d + p, row), load8(x) <= splat(0)), TINY));
    }
  }
}
