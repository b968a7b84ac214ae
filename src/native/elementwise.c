/* Operations on every position of map stacks alone, and dropout (src/kernel/elementwise.ts, dropout.ts). */
#include "math.h"
#include "record.h"

static void addMaps(MapStack a, MapStack b, MapStack out, int32_t maps, int32_t height, int32_t width) {
  const size_t bytes = (size_t)width * BLOCK;
  for (int32_t m = 0; m < maps; ++m) {
    for (int32_t y = 0; y < height; ++y) {
      const char *p = at(a, m, y), *q = at(b, m, y);
      char *to = at(out, m, y);
      for (size_t i = 0; i < bytes; i += BLOCK) store8(to + i, load8(p + i) + load8(q + i));
    }
  }
}

static void copyMaps(MapStack x, MapStack out, int32_t maps, int32_t height, int32_t width) {
  for (int32_t m = 0; m < maps; ++m)
    for (int32_t y = 0; y < height; ++y) memmove(at(out, m, y), at(x, m, y), (size_t)width * BLOCK);
}

/* out = x scale + offset of one map; what is below `tiny` becomes 0. */
INLINE void affineMap(MapStack x, MapStack out, int32_t map, int32_t height, int32_t width, float scale, float offset,
                      float tiny) {
  const f8 scales = splat(scale), offsets = splat(offset);
  const size_t bytes = (size_t)width * BLOCK;
  for (int32_t y = 0; y < height; ++y) {
    const char *p = at(x, map, y);
    char *to = at(out, map, y);
    for (size_t i = 0; i < bytes; i += BLOCK) {
      const f8 value = load8(p + i) * scales + offsets;
      store8(to + i, tiny > 0 ? flushTiny(value, tiny) : value);
    }
  }
}

static void affine(MapStack x, MapStack out, int32_t maps, int32_t height, int32_t width, float scale, float offset) {
  for (int32_t m = 0; m < maps; ++m) affineMap(x, out, m, height, width, scale, offset, TINY);
}

static void mapAffine(MapStack x, MapStack out, int32_t maps, int32_t height, int32_t width, const char *coefficient,
                      const char *bias, float factor) {
  for (size_t m = 0; m < (size_t)maps; ++m) {
    const float scale = factor * loadFloat(coefficient + 4 * m);
    affineMap(x, out, (int32_t)m, height, width, scale, loadFloat(bias + 4 * m), 0);
  }
}

/* What mapProducts adds up over the rows of a map. */
typedef struct {
  f8 products, deltas;
} MapSums;

/* `rows` rows, each in registers of its own: a row alone would wait for each addition. */
INLINE void addRowProducts(MapSums *sums, const char *p, size_t row, const char *q, size_t deltaRow, size_t bytes,
                           const int rows) {
  f8 products[4], deltas[4];
#pragma GCC unroll 4
  for (int r = 0; r < rows; ++r) products[r] = deltas[r] = splat(0);
  for (size_t i = 0; i < bytes; i += BLOCK) {
#pragma GCC unroll 4
    for (int r = 0; r < rows; ++r) {
      const f8 d = load8(q + (size_t)r * deltaRow + i);
      products[r] += d * load8(p + (size_t)r * row + i);
      deltas[r] += d;
    }
  }
#pragma GCC unroll 4
  for (int r = 0; r < rows; ++r) {
    sums->products += products[r];
    sums->deltas += deltas[r];
  }
}

/* The sums of dy x and of dy over one map. */
static void mapProducts(MapStack x, MapStack dy, int32_t map, int32_t height, int32_t width, float *product,
                        float *delta) {
  const size_t bytes = (size_t)width * BLOCK;
  MapSums sums = {splat(0), splat(0)};
  int32_t y = 0;
  for (; y + 4 <= height; y += 4) addRowProducts(&sums, at(x, map, y), x.row, at(dy, map, y), dy.row, bytes, 4);
  for (; y < height; ++y) addRowProducts(&sums, at(x, map, y), x.row, at(dy, map, y), dy.row, bytes, 1);
  *product = sum8(sums.products);
  *delta = sum8(sums.deltas);
}

static void mapAffineBackward(MapStack x, MapStack dy, MapStack dx, int32_t maps, int32_t height, int32_t width,
                              const char *coefficient, char *gradient, float factor, bool accumulate) {
  for (size_t m = 0; m < (size_t)maps; ++m) {
    if (gradient != NULL) {
      float product, delta;
      mapProducts(x, dy, (int32_t)m, height, width, &product, &delta);
      put(gradient + 4 * m, factor * product, accumulate);
      put(gradient + 4 * ((size_t)maps + m), delta, accumulate);
    }
    if (dx.pointer == NULL) continue;
    affineMap(dy, dx, (int32_t)m, height, width, factor * loadFloat(coefficient + 4 * m), 0, TINY);
  }
}

static void dropoutBackward(MapStack dy, MapStack dx, int32_t maps, int32_t height, int32_t width, float scale,
                            const char *mask) {
  const i8v bits = {1, 2, 4, 8, 16, 32, 64, 128};
  const f8 scales = splat(scale);
  for (int32_t m = 0; m < maps; ++m) {
    for (int32_t y = 0; y < height; ++y, mask += width) {
      const char *p = at(dy, m, y);
      char *to = at(dx, m, y);
      for (size_t i = 0; i < (size_t)width; ++i) {
        const i8v kept = (i8v)_mm256_set1_epi32((uint8_t)mask[i]) & bits;
        store8(to + i * BLOCK, maskedBy(load8(p + i * BLOCK) * scales, kept == bits));
      }
    }
  }
}

typedef uint32_t u8v __attribute__((vector_size(32)));

/* x times a number in all lanes: the lower halves of the products; `high` gets the upper halves. */
INLINE u8v multiply(u8v x, u8v by, u8v *high) {
  const __m256i even = _mm256_mul_epu32((__m256i)x, (__m256i)by);
  const __m256i odd = _mm256_mul_epu32(_mm256_srli_epi64((__m256i)x, 32), (__m256i)by);
  *high = (u8v)_mm256_blend_epi32(_mm256_srli_epi64(even, 32), odd, 0xaa);
  return (u8v)_mm256_blend_epi32(even, _mm256_slli_epi64(odd, 32), 0xaa);
}

/* Bit s: whether lane s of x is at least `limit`, both unsigned. */
INLINE char atLeast(u8v x, u8v limit) {
#ifdef __AVX512F__
  return (char)_mm256_cmpge_epu32_mask((__m256i)x, (__m256i)limit);
#else
  return (char)_mm256_movemask_ps((__m256)(x >= limit));
#endif
}

/* Philox4x32-10: block `block` of each lane's stream, four words, in c. */
INLINE void philox(u8v c[4], const char *key) {
  const u8v m0 = (u8v)_mm256_set1_epi32((int32_t)0xd2511f53), m1 = (u8v)_mm256_set1_epi32((int32_t)0xcd9e8d57);
  u8v k0 = (u8v)_mm256_set1_epi32(loadInt(key)), k1 = (u8v)_mm256_set1_epi32(loadInt(key + 4));
#pragma GCC unroll 10
  for (int round = 0; round < 10; ++round) {
    u8v high0, high1;
    const u8v low0 = multiply(c[0], m0, &high0), low1 = multiply(c[2], m1, &high1);
    c[0] = high1 ^ c[1] ^ k0;
    c[1] = low1;
    c[2] = high0 ^ c[3] ^ k1;
    c[3] = low0;
    k0 += 0x9e3779b9u;
    k1 += 0xbb67ae85u;
  }
}

/* Four words of every sample at a time: one Philox block. */
static void drawMask(int32_t words, int32_t purpose, int32_t threshold, char *mask, const char *positions,
                     const char *key) {
  int32_t low[LANES], high[LANES];
  for (int s = 0; s < LANES; ++s) {
    low[s] = loadInt(positions + 8 * s);
    high[s] = loadInt(positions + 8 * s + 4);
  }
  const u8v limit = (u8v)_mm256_set1_epi32(threshold);
  for (int32_t block = 0; block << 2 < words; ++block) {
    u8v c[4] = {
        (u8v)_mm256_set1_epi32(block),
        (u8v)load8(low),
        (u8v)load8(high),
        (u8v)_mm256_set1_epi32(purpose),
    };
    philox(c, key);
    char kept[4];
#pragma GCC unroll 4
    for (int word = 0; word < 4; ++word) kept[word] = atLeast(c[word], limit);
    const int32_t left = words - (block << 2);
    memcpy(mask + (size_t)(block << 2), kept, left < 4 ? (size_t)left : 4);
  }
}

static void dropout(MapStack x, MapStack out, int32_t maps, int32_t height, int32_t width, int32_t place,
                    int32_t threshold, float scale, char *mask, const char *positions, const char *key) {
  // The purpose of a layer's stream: 4 + 256 times its place in the spec.
  drawMask(maps * height * width, 4 + 256 * place, threshold, mask, positions, key);
  dropoutBackward(x, out, maps, height, width, scale, mask);
}
