#pragma once

#include "vector.h"

/* Eight registers of eight lanes: lane k of row j becomes lane j of row k. */
INLINE void transposeLanes(f8 rows[LANES]) {
  __m256 pairs[LANES];
  __m256d quads[LANES];
#pragma GCC unroll 8
  for (int k = 0; k < LANES; k += 2) {
    pairs[k] = _mm256_unpacklo_ps((__m256)rows[k], (__m256)rows[k + 1]);
    pairs[k + 1] = _mm256_unpackhi_ps((__m256)rows[k], (__m256)rows[k + 1]);
  }
#pragma GCC unroll 8
  for (int k = 0; k < LANES; k += 4) {
    quads[k] = _mm256_unpacklo_pd((__m256d)pairs[k], (__m256d)pairs[k + 2]);
    quads[k + 1] = _mm256_unpackhi_pd((__m256d)pairs[k], (__m256d)pairs[k + 2]);
    quads[k + 2] = _mm256_unpacklo_pd((__m256d)pairs[k + 1], (__m256d)pairs[k + 3]);
    quads[k + 3] = _mm256_unpackhi_pd((__m256d)pairs[k + 1], (__m256d)pairs[k + 3]);
  }
#pragma GCC unroll 8
  for (int k = 0; k < 4; ++k) {
    rows[k] = (f8)_mm256_permute2f128_pd(quads[k], quads[k + 4], 0x20);
    rows[k + 4] = (f8)_mm256_permute2f128_pd(quads[k], quads[k + 4], 0x31);
  }
}
