/*
 * What batch and group norm share (src/kernel/norm): sums over maps, and what follows from them at each position.
 * Lanes stay apart up to the last sum, so nothing that is in an empty lane reaches a real one: where src/kernel sets
 * empty lanes to 0 before it adds rows, this leaves them out at the end.
 */
#pragma once

#include "math.h"
#include "record.h"

/* Rows that are summed at once, each in a register of its own: one alone would wait for each of its additions. */
enum { ROWS_AT_ONCE = 4 };

/* Runs STEP(y, rows) for all rows of a map; `rows` is a constant. */
#define ROW_BY_ROW(height, STEP)                                                   \
  do {                                                                             \
    int32_t y = 0;                                                                 \
    for (; y + ROWS_AT_ONCE <= (height); y += ROWS_AT_ONCE) STEP(y, ROWS_AT_ONCE); \
    for (; y < (height); ++y) STEP(y, 1);                                          \
  } while (0)

INLINE d4 wide(double x) { return (d4){x, x, x, x}; }
INLINE d8 zeros(void) { return (d8){wide(0), wide(0)}; }
/* sum += x. */
INLINE void addDoubles(d8 *sum, d8 x) {
  sum->low += x.low;
  sum->high += x.high;
}

/* The sum of the first `count` lanes, lane 0 first. None is -0: the sums start with 0. */
INLINE double sumOfReal(const d8 *x, int32_t count) {
  double lanes[LANES], sum = 0;
  memcpy(lanes, x, sizeof lanes);
  for (int32_t s = 0; s < count; ++s) sum += lanes[s];
  return sum;
}

INLINE void addRows(d8 *sum, const char *p, size_t row, size_t bytes, const int rows) {
  f8 sums[ROWS_AT_ONCE];
#pragma GCC unroll 4
  for (int r = 0; r < rows; ++r) sums[r] = splat(0);
  for (size_t i = 0; i < bytes; i += BLOCK) {
#pragma GCC unroll 4
    for (int r = 0; r < rows; ++r) sums[r] += load8(p + (size_t)r * row + i);
  }
#pragma GCC unroll 4
  for (int r = 0; r < rows; ++r) addDoubles(sum, toDouble(sums[r]));
}

/* Adds the sum of one map. */
INLINE void addMap(d8 *sum, MapStack x, int32_t map, int32_t height, int32_t width) {
#define STEP(y, rows) addRows(sum, at(x, map, y), x.row, (size_t)width * BLOCK, rows)
  ROW_BY_ROW(height, STEP);
#undef STEP
}

INLINE void addRowDeviations(d8 *sum, const char *p, size_t row, size_t bytes, f8 center, const int rows) {
  f8 sums[ROWS_AT_ONCE];
#pragma GCC unroll 4
  for (int r = 0; r < rows; ++r) sums[r] = splat(0);
  for (size_t i = 0; i < bytes; i += BLOCK) {
#pragma GCC unroll 4
    for (int r = 0; r < rows; ++r) {
      const f8 u = load8(p + (size_t)r * row + i) - center;
      sums[r] += u * u;
    }
  }
#pragma GCC unroll 4
  for (int r = 0; r < rows; ++r) addDoubles(sum, toDouble(sums[r]));
}

/* Adds the squares of what one map's values lie off `center`. */
INLINE void addDeviations(d8 *sum, MapStack x, int32_t map, int32_t height, int32_t width, f8 center) {
#define STEP(y, rows) addRowDeviations(sum, at(x, map, y), x.row, (size_t)width * BLOCK, center, rows)
  ROW_BY_ROW(height, STEP);
#undef STEP
}

/* Sums of dy and of dy n, n = (x - mean) invstd. */
typedef struct {
  d8 deltas, products;
} DeltaSums;

INLINE void addRowDeltas(DeltaSums *sum, const char *p, size_t row, const char *q, size_t deltaRow, size_t bytes,
                         f8 mean, f8 invstd, const int rows) {
  f8 deltas[ROWS_AT_ONCE], products[ROWS_AT_ONCE];
#pragma GCC unroll 4
  for (int r = 0; r < rows; ++r) deltas[r] = products[r] = splat(0);
  for (size_t i = 0; i < bytes; i += BLOCK) {
#pragma GCC unroll 4
    for (int r = 0; r < rows; ++r) {
      const f8 d = load8(q + (size_t)r * deltaRow + i);
      deltas[r] += d;
      products[r] += d * ((load8(p + (size_t)r * row + i) - mean) * invstd);
    }
  }
#pragma GCC unroll 4
  for (int r = 0; r < rows; ++r) {
    addDoubles(&sum->deltas, toDouble(deltas[r]));
    addDoubles(&sum->products, toDouble(products[r]));
  }
}

/* Of one map. */
INLINE DeltaSums deltaSums(MapStack x, MapStack dy, int32_t map, int32_t height, int32_t width, f8 mean, f8 invstd) {
  DeltaSums sum = {zeros(), zeros()};
#define STEP(y, rows) \
  addRowDeltas(&sum, at(x, map, y), x.row, at(dy, map, y), dy.row, (size_t)width * BLOCK, mean, invstd, rows)
  ROW_BY_ROW(height, STEP);
#undef STEP
  return sum;
}

/* y = (x - mean) factor + bias for one map; lanes from `count` on become 0. */
INLINE void normalizeMap(MapStack x, MapStack out, int32_t map, int32_t height, int32_t width, int32_t count, f8 mean,
                         f8 factor, f8 bias) {
  const i8v real = laneMask(count);
  const size_t bytes = (size_t)width * BLOCK;
  for (int32_t y = 0; y < height; ++y) {
    const char *p = at(x, map, y);
    char *to = at(out, map, y);
#pragma GCC unroll 4
    for (size_t i = 0; i < bytes; i += BLOCK)
      store8(to + i, maskedBy((load8(p + i) - mean) * factor + bias, real));
  }
}

/* The bits of a float32's magnitude in real lanes. */
INLINE i8v magnitudeMask(int32_t count) { return laneMask(count) & 0x7fffffff; }

/* Flushed, and 0 in empty lanes, whose magnitudes are 0 here. */
INLINE f8 flushReal(f8 x, i8v magnitude) { return andNot(x, maskedBy(x, magnitude) < splat(TINY)); }

/* dx = factor ((weight dy - s) - n t) for one map, n as above. */
INLINE void inputGradient(MapStack x, MapStack dy, MapStack dx, int32_t map, int32_t height, int32_t width,
                          int32_t count, f8 mean, f8 invstd, f8 weight, f8 factor, f8 s, f8 t) {
  const i8v magnitude = magnitudeMask(count);
  const size_t bytes = (size_t)width * BLOCK;
  for (int32_t y = 0; y < height; ++y) {
    const char *p = at(x, map, y), *q = at(dy, map, y);
    char *to = at(dx, map, y);
    for (size_t i = 0; i < bytes; i += BLOCK) {
      const f8 n = (load8(p + i) - mean) * invstd;
      store8(to + i, flushReal(factor * ((weight * load8(q + i) - s) - n * t), magnitude));
    }
  }
}
