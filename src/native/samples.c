/* Samples of any shape brought into lanes, shifted (src/kernel/samples.ts). */
#include "record.h"

/* A byte as a share of 255. */
#define BYTE_SCALE (1.0f / 255.0f)

/* Columns `begin` to `end` of one lane. */
INLINE void clearLane(char *out, int32_t begin, int32_t end) {
  for (int32_t x = begin; x < end; ++x) storeFloat(out + (size_t)x * BLOCK, 0);
}

INLINE float sampleAt(const char *source, int32_t x, const bool bytes) {
  return bytes ? (float)(uint8_t)source[x] * BYTE_SCALE : loadFloat(source + (ptrdiff_t)x * 4);
}

/* One lane. `sample` is NULL if it is empty; values are bytes or float32s. */
INLINE void decodeLane(const char *sample, int32_t down, int32_t right, char *lane, MapStack out, int32_t maps,
                       int32_t height, int32_t width, const bool bytes) {
  const size_t row = (size_t)width * (bytes ? 1 : 4);
  const int32_t begin = right < 0 ? 0 : right < width ? right : width;
  const int32_t last = right < 0 ? width + right : width, end = last < begin ? begin : last;
  for (int32_t m = 0; m < maps; ++m) {
    for (int32_t y = 0; y < height; ++y) {
      char *to = lane + (size_t)m * out.plane + (size_t)y * out.row;
      const int32_t from = y - down;
      if (sample == NULL || from < 0 || from >= height) {
        clearLane(to, 0, width);
        continue;
      }
      clearLane(to, 0, begin);
      const char *source = sample + ((size_t)m * (size_t)height + (size_t)from) * row;
      for (int32_t x = begin; x < end; ++x) storeFloat(to + (size_t)x * BLOCK, sampleAt(source, x - right, bytes));
      clearLane(to, end, width);
    }
  }
}

INLINE void decodeSamples(const char *samples, const char *indices, const char *shifts, int32_t count, MapStack out,
                          int32_t maps, int32_t height, int32_t width, const bool bytes) {
  const size_t each = (size_t)maps * (size_t)height * (size_t)width * (bytes ? 1 : 4);
  for (int32_t s = 0; s < LANES; ++s) {
    const bool real = s < count;
    const char *sample = real ? samples + (size_t)loadInt(indices + 4 * s) * each : NULL;
    const int32_t down = real ? (int8_t)shifts[2 * s] : 0, right = real ? (int8_t)shifts[2 * s + 1] : 0;
    decodeLane(sample, down, right, out.pointer + 4 * s, out, maps, height, width, bytes);
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
