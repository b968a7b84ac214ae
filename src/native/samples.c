/* Samples of any shape brought into lanes, shifted (src/kernel/samples.ts). */
#include "record.h"
#include "samples.h"
#include "transpose.h"

/* A byte as a share of 255. */
#define BYTE_SCALE (1.0f / 255.0f)

/* A sample that is brought into a lane; its columns `begin` to `end` lie within it. */
typedef struct {
  const char *sample;
  int32_t down, right, begin, end;
} Lane;

INLINE int32_t within(int32_t width, int32_t x) { return x < 0 ? 0 : x < width ? x : width; }

INLINE Lane laneOf(const char *sample, const char *shift, int32_t width) {
  const int32_t right = (int8_t)shift[1];
  return (Lane){sample, (int8_t)shift[0], right, within(width, right), within(width, width + right)};
}

/* Columns x to x + 7 of a row, of which `source` is column 0. */
INLINE f8 eightColumns(const char *source, const Lane *lane, int32_t x, const bool bytes) {
  if (lane->begin <= x && x + 8 <= lane->end)
    return bytes ? (f8)_mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(_mm_loadl_epi64((const __m128i *)(source + x)))) *
                       splat(BYTE_SCALE)
                 : load8(source + (ptrdiff_t)x * 4);
  f8 columns = splat(0);
  for (int k = 0; k < 8; ++k) {
    if (x + k < lane->begin || x + k >= lane->end) continue;
    columns[k] = bytes ? (float)(uint8_t)source[x + k] * BYTE_SCALE : loadFloat(source + (ptrdiff_t)(x + k) * 4);
  }
  return columns;
}

/* One row of all lanes; `sources` are NULL if it is empty. */
INLINE void decodeRow(const char *const *sources, const Lane *lanes, char *out, int32_t width, const bool bytes) {
  for (int32_t x = 0; x < width; x += 8) {
    f8 rows[LANES];
    /* The last columns once more, where fewer than eight are left. */
    const int32_t from = width >= 8 && x + 8 > width ? width - 8 : x;
    for (int s = 0; s < LANES; ++s) rows[s] = sources[s] ? eightColumns(sources[s], &lanes[s], from, bytes) : splat(0);
    transposeLanes(rows);
    const int32_t columns = width < 8 ? width : 8;
    for (int32_t k = 0; k < columns; ++k) store8(out + (size_t)(from + k) * BLOCK, rows[k]);
  }
}

INLINE void decodeSamples(const char *samples, const char *indices, const char *shifts, int32_t count, MapStack out,
                          int32_t maps, int32_t height, int32_t width, const bool bytes) {
  const size_t row = (size_t)width * (bytes ? 1 : 4), plane = (size_t)height * row, each = (size_t)maps * plane;
  Lane lanes[LANES];
  prefetchSamples(samples, indices, count, each);
  for (int32_t s = 0; s < count; ++s)
    lanes[s] = laneOf(samples + (size_t)loadInt(indices + 4 * s) * each, shifts + 2 * s, width);
  for (int32_t m = 0; m < maps; ++m) {
    for (int32_t y = 0; y < height; ++y) {
      const char *sources[LANES] = {NULL};
      for (int32_t s = 0; s < count; ++s) {
        const int32_t from = y - lanes[s].down;
        if (from < 0 || from >= height) continue;
        sources[s] = lanes[s].sample + (size_t)m * plane + (size_t)from * row - lanes[s].right * (bytes ? 1 : 4);
      }
      decodeRow(sources, lanes, at(out, m, y), width, bytes);
    }
  }
}

static void decodeBytes(const char *samples, const char *indices, const char *shifts, int32_t count, MapStack out,
                        int32_t maps, int32_t height, int32_t width) {
  decodeSamples(samples, indices, shifts, count, out, maps, height, width, true);
}

static void decodeFloats(const char *samples, const char *indices, const char *shifts, int32_t count, MapStack out,
                         int32_t maps, int32_t height, int32_t width) {
  decodeSamples(samples, indices, shifts, count, out, maps, height, width, false);
}
