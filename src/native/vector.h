/*
 * Eight samples in one register of 256 bits, where src/kernel has two of 128. Each lane computes what its lane there
 * computes, in the same order: that is why the bits are the same. Nothing here may be reordered or contracted.
 */
#pragma once

#include <immintrin.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* Samples of a block, and the bytes of one feature's lanes. */
enum { LANES = 8, BLOCK = 32 };

typedef float f4 __attribute__((vector_size(16)));
typedef float f8 __attribute__((vector_size(32)));
typedef int32_t i8v __attribute__((vector_size(32)));
typedef double d4 __attribute__((vector_size(32)));
/* Eight float64s. Not one vector: where registers have 32 bytes, GCC moves vectors of 64 through memory. */
typedef struct {
  d4 low, high;
} d8;

typedef f4 f4_unaligned __attribute__((aligned(4), may_alias));
typedef f8 f8_unaligned __attribute__((aligned(4), may_alias));

#define INLINE static inline __attribute__((always_inline))

INLINE f8 load8(const void *p) { return *(const f8_unaligned *)p; }
INLINE void store8(void *p, f8 x) { *(f8_unaligned *)p = x; }
INLINE f4 load4(const void *p) { return *(const f4_unaligned *)p; }
INLINE void store4(void *p, f4 x) { *(f4_unaligned *)p = x; }
INLINE float loadFloat(const void *p) { float x; memcpy(&x, p, 4); return x; }
INLINE void storeFloat(void *p, float x) { memcpy(p, &x, 4); }
INLINE int32_t loadInt(const void *p) { int32_t x; memcpy(&x, p, 4); return x; }

/* A constant vector, not x + (f8){}: that turns -0 into 0. */
INLINE f8 splat(float x) { return (f8){x, x, x, x, x, x, x, x}; }
INLINE f8 splatAt(const void *p) { return splat(loadFloat(p)); }
INLINE f8 absolute(f8 x) { return (f8)((i8v)x & 0x7fffffff); }
/* x where the mask's bits are zero, else 0. */
INLINE f8 andNot(f8 x, i8v mask) { return (f8)((i8v)x & ~mask); }
INLINE f8 maskedBy(f8 x, i8v mask) { return (f8)((i8v)x & mask); }
/* a where the mask's bits are ones, else b. */
INLINE f8 select8(i8v mask, f8 a, f8 b) { return (f8)(((i8v)a & mask) | ((i8v)b & ~mask)); }

/* Of a bias, element k in all lanes; 0 if there is none. */
INLINE f8 biasAt(const char *bias, size_t k) { return bias ? splatAt(bias + 4 * k) : splat(0); }

/* All ones in the lanes below `count`. */
INLINE i8v laneMask(int32_t count) { return (i8v){0, 1, 2, 3, 4, 5, 6, 7} < count; }

INLINE f4 lowHalf(f8 x) { return (f4)_mm256_castps256_ps128((__m256)x); }
INLINE f4 highHalf(f8 x) { return (f4)_mm256_extractf128_ps((__m256)x, 1); }
/* The sum of four lanes: (0 + 2) + (1 + 3). */
INLINE float sum4(f4 x) { return (x[0] + x[2]) + (x[1] + x[3]); }
/* Of eight: low + high half, then as four. */
INLINE float sum8(f8 x) { return sum4(lowHalf(x) + highHalf(x)); }

INLINE d8 toDouble(f8 x) {
  return (d8){(d4)_mm256_cvtps_pd((__m128)lowHalf(x)), (d4)_mm256_cvtps_pd((__m128)highHalf(x))};
}
INLINE f8 toFloat(d8 x) {
  return (f8)_mm256_set_m128(_mm256_cvtpd_ps((__m256d)x.high), _mm256_cvtpd_ps((__m256d)x.low));
}

/* Writes a gradient, or adds to it: one addition of the block's sum. */
INLINE void put(char *target, float value, bool accumulate) {
  storeFloat(target, accumulate ? loadFloat(target) + value : value);
}
