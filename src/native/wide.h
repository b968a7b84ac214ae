/* The widest registers of the target. */
#pragma once

#include "vector.h"

/* With 32 registers of 512 bits, a register of a tile has two halves: neighbouring positions, maps or taps. */
#ifdef __AVX512F__
enum { HALVES = 2 };
typedef float Wide __attribute__((vector_size(64)));
typedef Wide Wide_unaligned __attribute__((aligned(4), may_alias));

INLINE Wide splatWide(float x) { return (Wide)_mm512_set1_ps(x); }
INLINE Wide loadWide(const void *p) { return *(const Wide_unaligned *)p; }
INLINE Wide joined(f8 a, f8 b) {
  return (Wide)_mm512_insertf32x8(_mm512_castps256_ps512((__m256)a), (__m256)b, 1);
}
INLINE Wide repeated(f8 x) { return (Wide)_mm512_broadcast_f32x8((__m256)x); }
INLINE f8 half(Wide x, int i) {
  return i == 0 ? (f8)_mm512_castps512_ps256((__m512)x) : (f8)_mm512_extractf32x8_ps((__m512)x, 1);
}
#else
enum { HALVES = 1 };
typedef f8 Wide;

INLINE Wide splatWide(float x) { return splat(x); }
INLINE Wide loadWide(const void *p) { return load8(p); }
INLINE Wide joined(f8 a, f8 b) { return (void)b, a; }
INLINE Wide repeated(f8 x) { return x; }
INLINE f8 half(Wide x, int i) { return (void)i, x; }
#endif
