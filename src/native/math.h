/* The transcendental functions, as src/kernel/math.ts has them: the same coefficients, the same order. */
#pragma once

#include "vector.h"

/* 2^-60: smaller deltas and first moments are 0. */
#define TINY 8.673617379884035e-19f
/* 2^-100: likewise second moments. */
#define TINY_SQUARED 7.888609052210118e-31f
#define EXP_MINIMUM -41.5f

INLINE f8 flushTiny(f8 x, float threshold) { return andNot(x, absolute(x) < splat(threshold)); }
/* max(x, 0) that lets NaN through. */
INLINE f8 relu(f8 x) { return andNot(x, x <= splat(0)); }

/* exp(x) for x <= 0; zero below EXP_MINIMUM. */
static f8 expNonPositive(f8 x) {
  const i8v vanishes = x < splat(EXP_MINIMUM);
  x = andNot(x, vanishes);
  const f8 n = (f8)_mm256_floor_ps((__m256)(x * splat(1.44269504088896341f) + splat(0.5f)));
  f8 r = x - n * splat(0.693359375f);
  r = r - n * splat(-2.12194440e-4f);
  f8 p = splat(1.9875691500e-4f);
  p = p * r + splat(1.3981999507e-3f);
  p = p * r + splat(8.3334519073e-3f);
  p = p * r + splat(4.1665795894e-2f);
  p = p * r + splat(1.6666665459e-1f);
  p = p * r + splat(5.0000001201e-1f);
  p = ((p * r) * r + r) + splat(1);
  const i8v exponent = (i8v)_mm256_slli_epi32(_mm256_add_epi32(_mm256_cvttps_epi32((__m256)n), _mm256_set1_epi32(127)), 23);
  return andNot(p * (f8)exponent, vanishes);
}

/* tanh(x); |x| >= 0.625: 1 - 2e/(1 + e) with e = exp(-2|x|). */
static f8 tanh8(f8 x) {
  const f8 a = absolute(x);
  const i8v sign = (i8v)x & (int32_t)0x80000000;
  const f8 e = expNonPositive(a * splat(-2));
  const f8 large = splat(1) - (e + e) / (splat(1) + e);
  const f8 z = x * x;
  f8 p = splat(-5.70498872745e-3f);
  p = p * z + splat(2.06390887954e-2f);
  p = p * z + splat(-5.37397155531e-2f);
  p = p * z + splat(1.33314422036e-1f);
  p = p * z + splat(-3.33332819422e-1f);
  const f8 small = (p * z) * x + x;
  return select8(a >= splat(0.625f), (f8)((i8v)large | sign), small);
}

/* 1 / (1 + exp(-x)). */
static f8 sigmoid8(f8 x) {
  const f8 e = expNonPositive(-absolute(x));
  const f8 numerator = select8(x >= splat(0), splat(1), e);
  return numerator / (splat(1) + e);
}

/* Natural logarithm of a positive, normal x. */
static double logarithm(double x) {
  if (!(x > 0) || x == __builtin_inf()) return x == 0 ? -__builtin_inf() : x > 0 ? x : __builtin_nan("");
  int64_t bits;
  memcpy(&bits, &x, 8);
  int32_t k = (int32_t)(bits >> 52) - 1023;
  bits = (bits & 0x000fffffffffffff) | 0x3ff0000000000000;
  double m;
  memcpy(&m, &bits, 8);
  if (m > 1.4142135623730951) {
    m *= 0.5;
    k += 1;
  }
  const double s = (m - 1) / (m + 1);
  const double z = s * s;
  double p = 1.0 / 23.0;
  for (int n = 21; n >= 1; n -= 2) p = p * z + 1.0 / n;
  return k * 0.6931471805599453 + 2 * s * p;
}
