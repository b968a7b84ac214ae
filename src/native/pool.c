/* Pooling over the real positions of windows (src/kernel/pool). */
#include "math.h"
#include "record.h"

/* The window that an output row (or column) has: the first real row (or column) of the input, and how many. */
typedef struct {
  int32_t begin, count;
} Window;

INLINE Window windowOf(int32_t place, int32_t stride, int32_t padding, int32_t size, int32_t limit) {
  const int32_t first = place * stride - padding, end = first + size;
  const int32_t begin = first > 0 ? first : 0;
  return (Window){begin, (end < limit ? end : limit) - begin};
}

static void clearPositions(MapStack x, int32_t maps, int32_t height, int32_t width) {
  for (int32_t m = 0; m < maps; ++m)
    for (int32_t y = 0; y < height; ++y) memset(at(x, m, y), 0, (size_t)width * BLOCK);
}

/* Whether `x` takes the place of the best value before it. By intrinsics, which take no mask registers. */
INLINE i8v wins(f8 x, f8 best) {
  const __m256 isNumber = _mm256_cmp_ps((__m256)best, (__m256)best, _CMP_ORD_Q);
  return (i8v)_mm256_and_ps(isNumber, _mm256_cmp_ps((__m256)x, (__m256)best, _CMP_NLE_UQ));
}
INLINE f8 chosen(i8v mask, f8 a, f8 b) { return (f8)_mm256_blendv_ps((__m256)b, (__m256)a, (__m256)mask); }

static void maxPool(MapStack x, MapStack out, int32_t maps, int32_t inputHeight, int32_t inputWidth, int32_t height,
                    int32_t width, int32_t sizeY, int32_t sizeX, int32_t strideY, int32_t strideX, int32_t top,
                    int32_t left) {
  for (int32_t m = 0; m < maps; ++m) {
    for (int32_t y = 0; y < height; ++y) {
      const Window rows = windowOf(y, strideY, top, sizeY, inputHeight);
      const char *const row = at(x, m, rows.begin);
      char *const to = at(out, m, y);
      for (int32_t place = 0; place < width; ++place) {
        const Window columns = windowOf(place, strideX, left, sizeX, inputWidth);
        const char *p = row + (size_t)columns.begin * BLOCK;
        f8 best = load8(p);
        for (int32_t k = 0; k < rows.count; ++k, p += x.row) {
          for (size_t i = 0; i < (size_t)columns.count * BLOCK; i += BLOCK) {
            const f8 value = load8(p + i);
            best = chosen(wins(value, best), value, best);
          }
        }
        store8(to + (size_t)place * BLOCK, best);
      }
    }
  }
}

/* One window: the winner's place is found as the forward pass found its value. */
INLINE void giveToWinner(const char *x, size_t row, Window rows, Window columns, f8 dy, char *dx, size_t dxRow) {
  const size_t bytes = (size_t)columns.count * BLOCK;
  f8 best = load8(x);
  i8v winner = {0}, place = {0};
  for (int32_t k = 0; k < rows.count; ++k, x += row) {
    for (size_t i = 0; i < bytes; i += BLOCK, place += 1) {
      const f8 value = load8(x + i);
      const i8v better = wins(value, best);
      best = select8(better, value, best);
      winner = (i8v)select8(better, (f8)place, (f8)winner);
    }
  }
  place = winner;
  for (int32_t k = 0; k < rows.count; ++k, dx += dxRow) {
    // Others add 0, which changes no bit: no sum here is -0.
    for (size_t i = 0; i < bytes; i += BLOCK, place -= 1)
      store8(dx + i, load8(dx + i) + maskedBy(dy, place == (i8v){0}));
  }
}

static void maxPoolBackward(MapStack x, MapStack dy, MapStack dx, int32_t maps, int32_t inputHeight,
                            int32_t inputWidth, int32_t height, int32_t width, int32_t sizeY, int32_t sizeX,
                            int32_t strideY, int32_t strideX, int32_t top, int32_t left) {
  clearPositions(dx, maps, inputHeight, inputWidth);
  for (int32_t m = 0; m < maps; ++m) {
    for (int32_t y = 0; y < height; ++y) {
      const Window rows = windowOf(y, strideY, top, sizeY, inputHeight);
      const char *const values = at(x, m, rows.begin), *const deltas = at(dy, m, y);
      char *const to = at(dx, m, rows.begin);
      for (int32_t place = 0; place < width; ++place) {
        const Window columns = windowOf(place, strideX, left, sizeX, inputWidth);
        const size_t begin = (size_t)columns.begin * BLOCK;
        giveToWinner(values + begin, x.row, rows, columns, load8(deltas + (size_t)place * BLOCK), to + begin, dx.row);
      }
    }
  }
}

static void averagePool(MapStack x, MapStack out, int32_t maps, int32_t inputHeight, int32_t inputWidth,
                        int32_t height, int32_t width, int32_t sizeY, int32_t sizeX, int32_t strideY, int32_t strideX,
                        int32_t top, int32_t left) {
  for (int32_t m = 0; m < maps; ++m) {
    for (int32_t y = 0; y < height; ++y) {
      const Window rows = windowOf(y, strideY, top, sizeY, inputHeight);
      const char *const row = at(x, m, rows.begin);
      char *const to = at(out, m, y);
      for (int32_t place = 0; place < width; ++place) {
        const Window columns = windowOf(place, strideX, left, sizeX, inputWidth);
        const char *p = row + (size_t)columns.begin * BLOCK;
        f8 sum = splat(0);
        for (int32_t k = 0; k < rows.count; ++k, p += x.row) {
          f8 rowSum = splat(0);
          for (size_t i = 0; i < (size_t)columns.count * BLOCK; i += BLOCK) rowSum += load8(p + i);
          sum += rowSum;
        }
        store8(to + (size_t)place * BLOCK, sum * splat(1.0f / (float)(rows.count * columns.count)));
      }
    }
  }
}

static void averagePoolBackward(MapStack dy, MapStack dx, int32_t maps, int32_t inputHeight, int32_t inputWidth,
                                int32_t height, int32_t width, int32_t sizeY, int32_t sizeX, int32_t strideY,
                                int32_t strideX, int32_t top, int32_t left) {
  clearPositions(dx, maps, inputHeight, inputWidth);
  for (int32_t m = 0; m < maps; ++m) {
    for (int32_t y = 0; y < height; ++y) {
      const Window rows = windowOf(y, strideY, top, sizeY, inputHeight);
      const char *const deltas = at(dy, m, y);
      char *const row = at(dx, m, rows.begin);
      for (int32_t place = 0; place < width; ++place) {
        const Window columns = windowOf(place, strideX, left, sizeX, inputWidth);
        const f8 share = splat(1.0f / (float)(rows.count * columns.count));
        const f8 delta = flushTiny(load8(deltas + (size_t)place * BLOCK) * share, TINY);
        char *p = row + (size_t)columns.begin * BLOCK;
        for (int32_t k = 0; k < rows.count; ++k, p += dx.row)
          for (size_t i = 0; i < (size_t)columns.count * BLOCK; i += BLOCK) store8(p + i, load8(p + i) + delta);
      }
    }
  }
}
