/* What happens to the weights once a step's gradient sum is there (src/kernel/optimizer.ts). Counts are rounded up to multiples of four. */
#include "kernel.h"
#include "math.h"

/* Runs `BODY` for eight float32s at byte `i`, and for the four that may be left. */
#define ELEMENTWISE(count, BODY)                                      \
  do {                                                                \
    size_t i = 0;                                                     \
    const size_t bytes = ((size_t)(count) + 3) / 4 * 16;              \
    for (; i + BLOCK <= bytes; i += BLOCK) BODY(load8, store8)        \
    if (i < bytes) BODY(loadHalf, storeHalf)                          \
  } while (0)

/* Four float32s in the lower lanes, zeros above. */
INLINE f8 loadHalf(const void *p) { return (f8)_mm256_zextps128_ps256((__m128)load4(p)); }
INLINE void storeHalf(void *p, f8 x) { store4(p, lowHalf(x)); }

static void add(char *target, const char *a, const char *b, int32_t count) {
#define BODY(LOAD, STORE) STORE(target + i, LOAD(a + i) + LOAD(b + i));
  ELEMENTWISE(count, BODY);
#undef BODY
}

/* The order of the sum is that of registers of four: lanes 0 and 1 apart from 2 and 3. */
static double meanAndSquares(char *target, const char *sum, int32_t count, float scale) {
  typedef double d4 __attribute__((vector_size(32)));
  const f4 factor = {scale, scale, scale, scale};
  d4 squares = {0, 0, 0, 0};
  for (size_t i = 0; i < (size_t)count << 2; i += 16) {
    const f4 g = load4(sum + i) * factor;
    store4(target + i, g);
    const d4 wide = (d4)_mm256_cvtps_pd((__m128)g);
    squares += wide * wide;
  }
  return (squares[0] + squares[2]) + (squares[1] + squares[3]);
}

static void sgd(const char *w, char *wNext, const char *m, char *mNext, const char *gradient, int32_t count, float clip,
                float rate, float momentum, float decay) {
#define BODY(LOAD, STORE)                                                                  \
  {                                                                                        \
    const f8 weight = LOAD(w + i);                                                         \
    const f8 g = LOAD(gradient + i) * splat(clip) + weight * splat(decay);                 \
    const f8 velocity = flushTiny(LOAD(m + i) * splat(momentum) + g, TINY);                \
    STORE(mNext + i, velocity);                                                            \
    STORE(wNext + i, weight - velocity * splat(rate));                                     \
  }
  ELEMENTWISE(count, BODY);
#undef BODY
}

static void adam(const char *w, char *wNext, const char *m, char *mNext, const char *v, char *vNext,
                 const char *gradient, int32_t count, AdamScalars s) {
#define BODY(LOAD, STORE)                                                                                \
  {                                                                                                      \
    const f8 weight = LOAD(w + i);                                                                       \
    const f8 g = LOAD(gradient + i) * splat(s.clip) + weight * splat(s.decay);                           \
    const f8 first = flushTiny(LOAD(m + i) * splat(s.beta1) + g * splat(s.rest1), TINY);                 \
    const f8 second = flushTiny(LOAD(v + i) * splat(s.beta2) + (g * g) * splat(s.rest2), TINY_SQUARED);  \
    STORE(mNext + i, first);                                                                             \
    STORE(vNext + i, second);                                                                            \
    const f8 root = (f8)_mm256_sqrt_ps((__m256)(second * splat(s.correction)));                          \
    const f8 kept = weight - weight * splat(s.shrink);                                                   \
    STORE(wNext + i, kept - (first * splat(s.rate)) / (root + splat(s.epsilon)));                        \
  }
  ELEMENTWISE(count, BODY);
#undef BODY
}

static void follow(const char *w, char *wNext, const char *mean, int32_t count, float share) {
#define BODY(LOAD, STORE)                                            \
  {                                                                  \
    const f8 value = LOAD(w + i);                                    \
    STORE(wNext + i, value + splat(share) * (LOAD(mean + i) - value)); \
  }
  ELEMENTWISE(count, BODY);
#undef BODY
}
