/* LeNet-5's convolutions at stride 2 over box sums, and their gradients (src/kernel/conv). */
#include "math.h"

/* Bytes from one output's first column of box sums to the next one's; columns or taps of a tile, and its rows. */
enum { STRIDE = 2 * BLOCK, TILE = 5, ROWS = 2 };
/* Rows of a gradient's tile, as many as the registers hold. */
#ifdef __AVX512F__
enum { GRADIENT_ROWS = 5 };
#else
enum { GRADIENT_ROWS = 2 };
#endif

/* No values are kept from one step of a loop to the next: there is no room for them in sixteen registers. */
#define FORGET(pointer) __asm__("" : "+r"(pointer))

/* Box sums, and where the kernels of one output map lie. */
typedef struct {
  const char *x;
  size_t plane, row;
  const char *inputs, *w;
  int32_t begin, end, size;
} Reading;

/* `rows` by `columns` outputs, the first one's window at byte `from` of each map. */
INLINE void forwardTile(const int rows, const int columns, const Reading r, size_t from, f8 bias, char *out,
                        size_t outRow) {
  const size_t run = (size_t)r.size * BLOCK;
  const char *tap = r.w + ((size_t)r.begin * r.size * r.size << 2);
  f8 a[ROWS][TILE];
#pragma GCC unroll 8
  for (int y = 0; y < rows; ++y)
#pragma GCC unroll 8
    for (int x = 0; x < columns; ++x) a[y][x] = bias;
  for (int32_t k = r.begin; k < r.end; ++k) {
    const char *p = r.x + (size_t)loadInt(r.inputs + 4 * (size_t)k) * r.plane + from;
    for (int32_t ky = 0; ky < r.size; ++ky, p += r.row - run) {
      const char *const stop = p + run;
      do {
        const f8 s = splatAt(tap);
#pragma GCC unroll 8
        for (int y = 0; y < rows; ++y)
#pragma GCC unroll 8
          for (int x = 0; x < columns; ++x) a[y][x] += s * load8(p + 2 * y * r.row + x * STRIDE);
        tap += 4;
        p += BLOCK;
        FORGET(p);
      } while (p < stop);
    }
  }
#pragma GCC unroll 8
  for (int y = 0; y < rows; ++y)
#pragma GCC unroll 8
    for (int x = 0; x < columns; ++x) store8(out + y * outRow + x * BLOCK, relu(a[y][x]));
}

/* `rows` rows of outputs. */
INLINE void forwardRows(const int rows, const Reading r, size_t from, f8 bias, int32_t width, char *out) {
  const size_t outRow = (size_t)width * BLOCK;
  int32_t x = 0;
  for (; x + TILE <= width; x += TILE)
    forwardTile(rows, TILE, r, from + (size_t)x * STRIDE, bias, out + (size_t)x * BLOCK, outRow);
  if (x + 4 == width) {
    forwardTile(rows, 4, r, from + (size_t)x * STRIDE, bias, out + (size_t)x * BLOCK, outRow);
    return;
  }
  for (; x < width; ++x) forwardTile(rows, 1, r, from + (size_t)x * STRIDE, bias, out + (size_t)x * BLOCK, outRow);
}

static void subsampledConv(const char *x, size_t plane, size_t row, const char *starts, const char *inputs,
                           const char *w, const char *bias, int32_t size, int32_t maps, int32_t height, int32_t width,
                           char *out) {
  const size_t outRow = (size_t)width * BLOCK;
  for (int32_t o = 0; o < maps; ++o) {
    const int32_t begin = loadInt(starts + 4 * (size_t)o), end = loadInt(starts + 4 * (size_t)o + 4);
    const Reading r = {x, plane, row, inputs, w, begin, end, size};
    const f8 b = splatAt(bias + 4 * (size_t)o);
    int32_t y = 0;
    for (; y + ROWS <= height; y += ROWS, out += ROWS * outRow)
      forwardRows(ROWS, r, (size_t)(2 * y) * row, b, width, out);
    for (; y < height; ++y, out += outRow) forwardRows(1, r, (size_t)(2 * y) * row, b, width, out);
  }
}

/* What sum8 gives for each of four, side by side. */
INLINE f4 sumEach(f8 a, f8 b, f8 c, f8 d) {
  const __m256 ac = _mm256_add_ps(_mm256_permute2f128_ps((__m256)a, (__m256)c, 0x20),
                                  _mm256_permute2f128_ps((__m256)a, (__m256)c, 0x31));
  const __m256 bd = _mm256_add_ps(_mm256_permute2f128_ps((__m256)b, (__m256)d, 0x20),
                                  _mm256_permute2f128_ps((__m256)b, (__m256)d, 0x31));
  // Pairs of lanes, not float64s.
  const __m256 pairs = _mm256_add_ps((__m256)_mm256_unpacklo_pd((__m256d)ac, (__m256d)bd),
                                     (__m256)_mm256_unpackhi_pd((__m256d)ac, (__m256d)bd));
  const __m256 sums = _mm256_hadd_ps(pairs, pairs);
  return (f4)_mm_movelh_ps(_mm256_castps256_ps128(sums), _mm256_extractf128_ps(sums, 1));
}

/* The gradients of `rows` by `columns` taps, five or one. */
INLINE void windowGradientTile(const int rows, const int columns, const char *x, size_t row, const char *d, int32_t height,
                         int32_t width, char *gradient, size_t gradientRow) {
  const size_t run = (size_t)width * BLOCK;
  f8 a[GRADIENT_ROWS][TILE];
#pragma GCC unroll 8
  for (int ky = 0; ky < rows; ++ky)
#pragma GCC unroll 8
    for (int kx = 0; kx < columns; ++kx) a[ky][kx] = splat(0);
  for (int32_t y = 0; y < height; ++y, x += 2 * row) {
    const char *p = x;
    const char *const stop = d + run;
    do {
      const f8 s = load8(d);
#pragma GCC unroll 8
      for (int ky = 0; ky < rows; ++ky)
#pragma GCC unroll 8
        for (int kx = 0; kx < columns; ++kx) a[ky][kx] += s * load8(p + ky * row + kx * BLOCK);
      d += BLOCK;
      p += STRIDE;
      FORGET(p);
    } while (d < stop);
  }
#pragma GCC unroll 8
  for (int ky = 0; ky < rows; ++ky, gradient += gradientRow) {
    if (columns == TILE) store4(gradient, sumEach(a[ky][0], a[ky][1], a[ky][2], a[ky][3]));
    storeFloat(gradient + 4 * (columns - 1), sum8(a[ky][columns - 1]));
  }
}

INLINE void gradientRows(const int rows, const char *x, size_t row, const char *d, int32_t size, int32_t height,
                         int32_t width, char *gradient) {
  const size_t gradientRow = (size_t)size << 2;
  int32_t kx = 0;
  for (; kx + TILE <= size; kx += TILE)
    windowGradientTile(rows, TILE, x + (size_t)kx * BLOCK, row, d, height, width, gradient + 4 * (size_t)kx, gradientRow);
  for (; kx < size; ++kx)
    windowGradientTile(rows, 1, x + (size_t)kx * BLOCK, row, d, height, width, gradient + 4 * (size_t)kx, gradientRow);
}

/* Of `maps` maps, each the sum over [count][LANES]. */
INLINE void sumLanes(const int maps, const char *x, int32_t count, char *target) {
  const size_t bytes = (size_t)count * BLOCK;
  f8 a[4];
#pragma GCC unroll 8
  for (int m = 0; m < maps; ++m) a[m] = splat(0);
  for (size_t p = 0; p < bytes; p += BLOCK)
#pragma GCC unroll 8
    for (int m = 0; m < maps; ++m) a[m] += load8(x + m * bytes + p);
#pragma GCC unroll 8
  for (int m = 0; m < maps; ++m) storeFloat(target + 4 * m, sum8(a[m]));
}

static void subsampledConvWeightGradient(const char *x, size_t plane, size_t row, const char *starts,
                                         const char *inputs, const char *d, int32_t size, int32_t maps, int32_t height,
                                         int32_t width, char *gradient, char *biasGradient) {
  const size_t deltaPlane = (size_t)height * width * BLOCK;
  const size_t gradientRow = (size_t)size << 2;
  for (int32_t o = 0; o < maps; ++o) {
    const int32_t begin = loadInt(starts + 4 * (size_t)o), end = loadInt(starts + 4 * (size_t)o + 4);
    const char *delta = d + o * deltaPlane;
    for (int32_t k = begin; k < end; ++k) {
      const char *from = x + (size_t)loadInt(inputs + 4 * (size_t)k) * plane;
      int32_t ky = 0;
      for (; ky + GRADIENT_ROWS <= size; ky += GRADIENT_ROWS)
        gradientRows(GRADIENT_ROWS, from + ky * row, row, delta, size, height, width, gradient + ky * gradientRow);
      for (; ky < size; ++ky)
        gradientRows(1, from + ky * row, row, delta, size, height, width, gradient + ky * gradientRow);
      gradient += size * gradientRow;
    }
  }
  int32_t o = 0;
  for (; o + 4 <= maps; o += 4) sumLanes(4, d + o * deltaPlane, height * width, biasGradient + 4 * (size_t)o);
  for (; o < maps; ++o) sumLanes(1, d + o * deltaPlane, height * width, biasGradient + 4 * (size_t)o);
}

/* Adds one tap row's `columns` taps for outputs in `rows` rows, one below the other. */
INLINE void inputTile(const int rows, const int columns, const char *d, size_t deltaRow, const char *w,
                      const char *feed, const char *end, char *out, size_t row) {
  f8 a[GRADIENT_ROWS][TILE];
#pragma GCC unroll 8
  for (int y = 0; y < rows; ++y)
#pragma GCC unroll 8
    for (int kx = 0; kx < columns; ++kx) a[y][kx] = load8(out + 2 * y * row + kx * BLOCK);
  for (; feed < end; feed += 8) {
    const char *tap = w + (size_t)loadInt(feed);
    const char *delta = d + (size_t)loadInt(feed + 4);
    f8 x[GRADIENT_ROWS];
#pragma GCC unroll 8
    for (int y = 0; y < rows; ++y) x[y] = load8(delta + y * deltaRow);
#pragma GCC unroll 8
    for (int kx = 0; kx < columns; ++kx) {
      const f8 s = splatAt(tap + 4 * kx);
#pragma GCC unroll 8
      for (int y = 0; y < rows; ++y) a[y][kx] += s * x[y];
    }
  }
#pragma GCC unroll 8
  for (int y = 0; y < rows; ++y)
#pragma GCC unroll 8
    for (int kx = 0; kx < columns; ++kx) store8(out + 2 * y * row + kx * BLOCK, a[y][kx]);
}

/*
 * The deltas of `rows` rows of outputs. Tap rows descend: so what two rows of outputs add to one box sum stays in the
 * order of the rows.
 */
INLINE void inputRows(const int rows, const char *d, const char *w, const char *feed, const char *end, int32_t size,
                      int32_t width, char *out, size_t row) {
  const size_t deltaRow = (size_t)width * BLOCK;
  for (int32_t ky = size - 1; ky >= 0; --ky) {
    for (int32_t x = 0; x < width; ++x) {
      const char *delta = d + (size_t)x * BLOCK;
      const char *tap = w + ((size_t)(ky * size) << 2);
      char *p = out + (size_t)ky * row + (size_t)x * STRIDE;
      int32_t left = size;
      for (; left >= TILE; left -= TILE, tap += TILE * 4, p += TILE * BLOCK)
        inputTile(rows, TILE, delta, deltaRow, tap, feed, end, p, row);
      for (; left > 0; --left, tap += 4, p += BLOCK)
        inputTile(rows, 1, delta, deltaRow, tap, feed, end, p, row);
    }
  }
}

static void subsampledConvInputGradient(const char *d, const char *w, const char *feeds, const char *feedStarts,
                                        int32_t size, int32_t inputMaps, int32_t height, int32_t width, char *out,
                                        size_t plane, size_t row) {
  const size_t deltaRow = (size_t)width * BLOCK;
  for (int32_t i = 0; i < inputMaps; ++i, out += plane) {
    const char *begin = feeds + ((size_t)loadInt(feedStarts + 4 * (size_t)i) << 3);
    const char *end = feeds + ((size_t)loadInt(feedStarts + 4 * (size_t)i + 4) << 3);
    int32_t y = 0;
    for (; y + GRADIENT_ROWS <= height; y += GRADIENT_ROWS)
      inputRows(GRADIENT_ROWS, d + y * deltaRow, w, begin, end, size, width, out + 2 * y * row, row);
    for (; y < height; ++y) inputRows(1, d + y * deltaRow, w, begin, end, size, width, out + 2 * y * row, row);
  }
}
