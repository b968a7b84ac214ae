/*
 * Any convolution, the gradient of its input, and those of its weights and biases: src/kernel/pack.ts and
 * src/kernel/convolution say what is computed, and in which order. No sum depends on a tile. Tiles' sizes are constants
 * of always-inlined functions, so that sums stay in registers.
 */
#include "math.h"
#include "record.h"
#include "wide.h"

/* The most registers, maps or taps of a tile; what a loop over them is unrolled to. */
enum { MOST = 8 };
#define EACH(i, count) _Pragma("GCC unroll 8") for (int i = 0; i < (count); ++i)

/* Maps whose weights lie side by side. */
enum { PACKED_MAPS = 2 };
static void packWeights(const char *base, int32_t maps, int32_t taps, size_t stride, const char *offsets, char *out) {
  for (int32_t first = 0; first < maps; first += PACKED_MAPS) {
    for (const char *tap = offsets; tap < offsets + 4 * (size_t)taps; tap += 4) {
      for (int32_t map = first; map < first + PACKED_MAPS; ++map, out += 4)
        storeFloat(out, map < maps ? loadFloat(base + (size_t)map * stride + loadInt(tap)) : 0);
    }
  }
}

/* What all tiles of a convolution share. */
typedef struct {
  size_t xStep;
  const char *offsets;
  size_t taps;
  const char *packed, *bias;
  int32_t maps, width;
  size_t outStep, outPlane;
  float tiny;
} Conv;

/* How the inputs of a register's halves lie: BLOCK bytes apart, `xStep` apart, or there is only one position. */
typedef enum { NEIGHBOURS, APART, ALONE } Halves;

INLINE Wide loadPositions(const Halves halves, const char *p, size_t xStep) {
  if (halves == NEIGHBOURS || HALVES == 1) return loadWide(p);
  return halves == ALONE ? repeated(load8(p)) : joined(load8(p), load8(p + xStep));
}

/* `registers` of positions by `maps`, from map `first` on. */
INLINE void convTile(const int registers, const int maps, const Halves halves, const Conv *c, int32_t first,
                     const char *x, char *out) {
  // Copies: for all that the compiler knows, stores change *c.
  const size_t taps = c->taps, pair = taps * 4 * PACKED_MAPS, xStep = c->xStep;
  const size_t outStep = c->outStep, outPlane = c->outPlane;
  const float tiny = c->tiny;
  const char *const offsets = c->offsets, *const w = c->packed + (size_t)(first / PACKED_MAPS) * pair;
  Wide sums[MOST][MOST];
  EACH(m, maps) {
    const Wide b = splatWide(c->bias ? loadFloat(c->bias + 4 * (size_t)(first + m)) : 0);
    EACH(i, registers) sums[i][m] = b;
  }
  for (size_t k = 0; k < taps; ++k) {
    const char *const p = x + loadInt(offsets + 4 * k);
    Wide u[MOST];
    EACH(i, registers) u[i] = loadPositions(halves, p + (size_t)(i * HALVES) * xStep, xStep);
    EACH(m, maps) {
      const Wide s = splatWide(loadFloat(w + (size_t)(m / PACKED_MAPS) * pair + 8 * k + 4 * (m % PACKED_MAPS)));
      EACH(i, registers) sums[i][m] = sums[i][m] + s * u[i];
    }
  }
  out += (size_t)first * outPlane;
  EACH(m, maps) {
    EACH(i, registers) {
      char *const to = out + (size_t)m * outPlane + (size_t)(i * HALVES) * outStep;
      store8(to, flushTiny(half(sums[i][m], 0), tiny));
      if (HALVES > 1 && halves != ALONE) store8(to + outStep, flushTiny(half(sums[i][m], 1), tiny));
    }
  }
}

/* The positions of a row, in tiles of at most `registers`, of the maps from `first` to before `end`. */
INLINE void convTiles(const int registers, const int maps, const Halves halves, const Conv *c, int32_t first,
                      int32_t end, const char *x, char *out) {
  int32_t left = c->width;
#define TILES(count, halves, positions)                                                              \
  for (; count <= registers && left >= positions; left -= positions) {                               \
    for (int32_t map = first; map < end; map += maps) convTile(count, maps, halves, c, map, x, out); \
    x += positions * c->xStep;                                                                       \
    out += positions * c->outStep;                                                                   \
  }
  TILES(8, halves, 8 * HALVES)
  TILES(4, halves, 4 * HALVES)
  TILES(2, halves, 2 * HALVES)
  TILES(1, halves, HALVES)
  if (HALVES > 1) TILES(1, ALONE, 1)
#undef TILES
}

/* A row of the maps from `first` on, `maps` at a time. Returns the first that is left over. */
INLINE int32_t convRow(const int registers, const int maps, const Conv *c, int32_t first, const char *x, char *out) {
  const int32_t end = first + (c->maps - first) / maps * maps;
  if (first == end) return end;
  if (HALVES == 1 || c->xStep == BLOCK) convTiles(registers, maps, NEIGHBOURS, c, first, end, x, out);
  else convTiles(registers, maps, APART, c, first, end, x, out);
  return end;
}

/* With 512 bits a product takes a weight from memory in one instruction; with 256 a weight in a register serves two. */
static int32_t rowOfMany(const Conv *c, const char *x, char *out) {
  return HALVES == 1 ? convRow(2, 6, c, 0, x, out) : convRow(1, 8, c, 0, x, out);
}
static int32_t rowOfFours(const Conv *c, int32_t first, const char *x, char *out) {
  return convRow(HALVES == 1 ? 2 : 1, 4, c, first, x, out);
}
static int32_t rowOfPairs(const Conv *c, int32_t first, const char *x, char *out) {
  return convRow(4, 2, c, first, x, out);
}
static void rowOfOne(const Conv *c, int32_t first, const char *x, char *out) { convRow(8, 1, c, first, x, out); }

enum { CACHE_LINE = 64, MANY_MAPS = 8 };
/* Fetches a row's inputs, many at a time: tiles would wait for one after the other. */
static void touchRow(const Conv *c, const char *x) {
  const size_t reach = (size_t)(c->width - 1) * c->xStep;
  for (size_t k = 0; k < c->taps; ++k) {
    const char *p = x + loadInt(c->offsets + 4 * k);
    for (const char *const last = p + reach; p <= last; p += CACHE_LINE) __builtin_prefetch(p);
  }
}

static void conv(const char *x, size_t xRow, size_t xStep, const char *offsets, int32_t taps, const char *packed,
                 const char *bias, int32_t maps, int32_t height, int32_t width, char *out, size_t outRow,
                 size_t outStep, size_t outPlane, int32_t flush) {
  const Conv c = {xStep, offsets, (size_t)taps, packed, bias, maps, width, outStep, outPlane, flush ? TINY : 0};
  for (int32_t y = 0; y < height; ++y, x += xRow, out += outRow) {
    if (maps >= MANY_MAPS) touchRow(&c, x);
    int32_t map = rowOfMany(&c, x, out);
    map = rowOfFours(&c, map, x, out);
    map = rowOfPairs(&c, map, x, out);
    rowOfOne(&c, map, x, out);
  }
}

/* Positions that are summed one after the other, in whole rows. */
enum { PART = 256 };

/* What all tiles of a gradient share. */
typedef struct {
  const char *x;
  size_t xRow, xStep;
  const char *offsets;
  int32_t taps;
  const char *d;
  size_t dRow, dPlane;
  int32_t height, width;
  char *gradient;
  bool accumulate;
} WeightGradient;

/* Registers of maps by registers of taps. A register has as many neighbouring maps and taps as its halves say. */
typedef struct {
  int maps, taps, mapHalves, tapHalves;
} Tile;

typedef struct {
  Wide at[MOST][MOST];
} Sums;

INLINE void clearSums(const Tile t, Sums *sums) {
  EACH(m, t.maps) EACH(k, t.taps) sums->at[m][k] = splatWide(0);
}

/* Adds the positions of a row; `offsets` are those of both halves of each register of taps. */
INLINE void addRow(const Tile t, const WeightGradient *g, const char *x, const ptrdiff_t offsets[MOST][2],
                   const char *d, Sums *sums) {
  const size_t xStep = g->xStep, dPlane = g->dPlane;
  const char *const stop = d + (size_t)g->width * BLOCK;
  do {
    Wide s[MOST];
    EACH(m, t.maps) {
      const char *const q = d + (size_t)(m * t.mapHalves) * dPlane;
      s[m] = t.mapHalves == 1 ? repeated(load8(q)) : joined(load8(q), load8(q + dPlane));
    }
    EACH(k, t.taps) {
      const f8 first = load8(x + offsets[k][0]);
      const Wide u = t.tapHalves == 1 ? repeated(first) : joined(first, load8(x + offsets[k][1]));
      EACH(m, t.maps) sums->at[m][k] = sums->at[m][k] + s[m] * u;
    }
    x += xStep;
    d += BLOCK;
  } while (d < stop);
}

INLINE void putSums(const Tile t, const WeightGradient *g, int32_t map, int32_t tap, const Sums *sums) {
  EACH(m, t.maps) EACH(k, t.taps) EACH(h, t.mapHalves * t.tapHalves) {
    const size_t toMap = (size_t)(map + m * t.mapHalves + (t.mapHalves > 1 ? h : 0));
    const size_t toTap = (size_t)(tap + k * t.tapHalves + (t.tapHalves > 1 ? h : 0));
    put(g->gradient + 4 * (toMap * (size_t)g->taps + toTap), sum8(half(sums->at[m][k], h)), g->accumulate);
  }
}

INLINE void gradientTile(const Tile t, const WeightGradient *g, int32_t map, int32_t tap) {
  const int32_t rows = g->width < PART ? PART / g->width : 1;
  const char *const d = g->d + (size_t)map * g->dPlane;
  ptrdiff_t offsets[MOST][2];
  EACH(k, t.taps) {
    const char *const own = g->offsets + 4 * (size_t)(tap + k * t.tapHalves);
    offsets[k][0] = loadInt(own);
    offsets[k][1] = loadInt(own + 4 * (t.tapHalves - 1));
  }
  Sums totals, sums;
  clearSums(t, &totals);
  for (int32_t y = 0; y < g->height;) {
    clearSums(t, &sums);
    for (const int32_t end = g->height - y < rows ? g->height : y + rows; y < end; ++y)
      addRow(t, g, g->x + (size_t)y * g->xRow, offsets, d + (size_t)y * g->dRow, &sums);
    EACH(m, t.maps) EACH(k, t.taps) totals.at[m][k] = totals.at[m][k] + sums.at[m][k];
  }
  putSums(t, g, map, tap, &totals);
}

/* All taps of a tile's maps, in tiles of at most `t.taps`. */
INLINE void gradientTiles(const Tile t, const WeightGradient *g, int32_t map) {
  int32_t tap = 0;
#define TILES(count, halves)                                                        \
  for (; count <= t.taps && tap + count * halves <= g->taps; tap += count * halves) \
    gradientTile((Tile){t.maps, count, t.mapHalves, halves}, g, map, tap);
  TILES(8, t.tapHalves)
  TILES(4, t.tapHalves)
  TILES(3, t.tapHalves)
  TILES(2, t.tapHalves)
  TILES(1, t.tapHalves)
  if (t.tapHalves > 1) TILES(1, 1)
#undef TILES
}

/* Eight maps, with 512 bits. */
static void gradientOfEight(const WeightGradient *g, int32_t map) { gradientTiles((Tile){4, 4, HALVES, 1}, g, map); }
static void gradientOfFour(const WeightGradient *g, int32_t map) {
  gradientTiles(HALVES == 1 ? (Tile){4, 3, 1, 1} : (Tile){2, 8, HALVES, 1}, g, map);
}
static void gradientOfPair(const WeightGradient *g, int32_t map) {
  gradientTiles(HALVES == 1 ? (Tile){2, 4, 1, 1} : (Tile){1, 8, HALVES, 1}, g, map);
}
static void gradientOfOne(const WeightGradient *g, int32_t map) { gradientTiles((Tile){1, 8, 1, HALVES}, g, map); }

static void convWeightGradient(const char *x, size_t xRow, size_t xStep, const char *offsets, int32_t taps,
                               const char *d, size_t dRow, size_t dPlane, int32_t maps, int32_t height, int32_t width,
                               char *gradient, bool accumulate) {
  const WeightGradient g = {x, xRow, xStep, offsets, taps, d, dRow, dPlane, height, width, gradient, accumulate};
  int32_t map = 0;
  for (; HALVES > 1 && map + 8 <= maps; map += 8) gradientOfEight(&g, map);
  for (; map + 4 <= maps; map += 4) gradientOfFour(&g, map);
  for (; map + 2 <= maps; map += 2) gradientOfPair(&g, map);
  for (; map < maps; ++map) gradientOfOne(&g, map);
}

/* The sums of `count` maps, from `first` on. */
INLINE void mapSums(const int count, MapStack d, int32_t first, int32_t height, int32_t width, char *gradient,
                    bool accumulate) {
  f8 totals[MOST];
  EACH(m, count) totals[m] = splat(0);
  for (int32_t y = 0; y < height; ++y) {
    f8 sums[MOST];
    EACH(m, count) sums[m] = splat(0);
    const char *p = at(d, first, y);
    for (const char *const end = p + (size_t)width * BLOCK; p < end; p += BLOCK)
      EACH(m, count) sums[m] = sums[m] + load8(p + (size_t)m * d.plane);
    EACH(m, count) totals[m] = totals[m] + sums[m];
  }
  EACH(m, count) put(gradient + 4 * (size_t)(first + m), sum8(totals[m]), accumulate);
}

static void biasGradient(MapStack d, int32_t maps, int32_t height, int32_t width, char *gradient, bool accumulate) {
  int32_t map = 0;
  for (; map + 4 <= maps; map += 4) mapSums(4, d, map, height, width, gradient, accumulate);
  for (; map < maps; ++map) mapSums(1, d, map, height, width, gradient, accumulate);
}
