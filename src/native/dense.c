/* Dense layers over [feature][LANES], and their gradients (src/kernel/dense). */
#include "activation.h"
#include "transpose.h"
#include "wide.h"

/* Outputs of a tile, and inputs: with 32 registers those whose weights are one line of the cache. */
#ifdef __AVX512F__
enum { DENSE_TILE = 12, INPUT_TILE = 16 };
#else
enum { DENSE_TILE = 12, INPUT_TILE = 12 };
#endif

static void activationBackward(const char *d, const char *x, int32_t count, int32_t activation, char *out) {
  const size_t bytes = (size_t)count * BLOCK;
  for (size_t i = 0; i < bytes; i += BLOCK) store8(out + i, denseDeactivate(load8(d + i), load8(x + i), activation));
}

/* `outputs` of them, from `output` on. */
INLINE void denseForwardTile(const int outputs, int32_t output, const char *w, const char *bias, const char *x,
                             int32_t inputs, int32_t activation, char *out) {
  const size_t row = (size_t)inputs << 2;
  const char *tap = w + (size_t)output * row;
  const char *const end = x + (size_t)inputs * BLOCK;
  f8 a[DENSE_TILE];
#pragma GCC unroll 16
  for (int o = 0; o < outputs; ++o) a[o] = biasAt(bias, (size_t)output + o);
  for (; x < end; x += BLOCK, tap += 4) {
    const f8 u = load8(x);
#pragma GCC unroll 16
    for (int o = 0; o < outputs; ++o) a[o] += splatAt(tap + o * row) * u;
  }
#pragma GCC unroll 16
  for (int o = 0; o < outputs; ++o)
    store8(out + ((size_t)output + o) * BLOCK, denseActivate(a[o], activation));
}

static void denseForward(const char *w, const char *bias, const char *x, int32_t inputs, int32_t outputs,
                         int32_t activation, char *out) {
  int32_t o = 0;
  for (; o + DENSE_TILE <= outputs; o += DENSE_TILE)
    denseForwardTile(DENSE_TILE, o, w, bias, x, inputs, activation, out);
  for (; o + 4 <= outputs; o += 4) denseForwardTile(4, o, w, bias, x, inputs, activation, out);
  for (; o < outputs; ++o) denseForwardTile(1, o, w, bias, x, inputs, activation, out);
}

/* `columns` inputs, from `input` on. */
INLINE void denseInputTile(const int columns, int32_t input, const char *w, const char *d, const char *x,
                           int32_t inputs, int32_t outputs, int32_t activation, char *out) {
  const size_t row = (size_t)inputs << 2;
  const char *tap = w + ((size_t)input << 2);
  const char *const end = d + (size_t)outputs * BLOCK;
  f8 a[INPUT_TILE];
#pragma GCC unroll 16
  for (int i = 0; i < columns; ++i) a[i] = splat(0);
  for (; d < end; d += BLOCK, tap += row) {
    const f8 u = load8(d);
#pragma GCC unroll 16
    for (int i = 0; i < columns; ++i) a[i] += splatAt(tap + 4 * i) * u;
  }
#pragma GCC unroll 16
  for (int i = 0; i < columns; ++i) {
    const size_t at = ((size_t)input + i) * BLOCK;
    store8(out + at, denseDeactivate(a[i], load8(x + at), activation));
  }
}

static void denseInputGradient(const char *w, const char *d, const char *x, int32_t inputs, int32_t outputs,
                               int32_t activation, char *out) {
  int32_t i = 0;
  for (; i + INPUT_TILE <= inputs; i += INPUT_TILE)
    denseInputTile(INPUT_TILE, i, w, d, x, inputs, outputs, activation, out);
  for (; i + 4 <= inputs; i += 4) denseInputTile(4, i, w, d, x, inputs, outputs, activation, out);
  for (; i < inputs; ++i) denseInputTile(1, i, w, d, x, inputs, outputs, activation, out);
}

/* Features of a panel, and bytes from a sample to the next one. */
enum { PANEL = 16, PANEL_ROW = 4 * PANEL };

INLINE size_t panelOffset(int32_t feature) {
  return (size_t)(feature / PANEL) * (LANES * PANEL_ROW) + (size_t)(feature % PANEL) * 4;
}

static void transpose(const char *x, int32_t features, char *out) {
  int32_t k = 0;
  for (; k + LANES <= features; k += LANES, x += LANES * BLOCK) {
    char *to = out + panelOffset(k);
    f8 rows[LANES];
#pragma GCC unroll 8
    for (int j = 0; j < LANES; ++j) rows[j] = load8(x + j * BLOCK);
    transposeLanes(rows);
#pragma GCC unroll 8
    for (int j = 0; j < LANES; ++j) store8(to + j * PANEL_ROW, rows[j]);
  }
  for (; k < features; ++k, x += BLOCK) {
    char *to = out + panelOffset(k);
    for (int s = 0; s < LANES; ++s) storeFloat(to + s * PANEL_ROW, loadFloat(x + 4 * s));
  }
}

/* Outputs of a tile, a divisor of PANEL: as many as the registers hold. */
#ifdef __AVX512F__
enum { GRADIENT_OUTPUTS = 8 };
#else
enum { GRADIENT_OUTPUTS = 4 };
#endif
/* Registers of a panel's row; levels that a tree of shards may have. */
enum { WIDE = sizeof(Wide), PARTS = PANEL_ROW / WIDE, LEVELS = 32 };

/* Pending sums that are added to a shard's own before that is put on the stack: after the last shard, all of them. */
INLINE int pendingAdds(int32_t shard, int32_t shards) {
  return shard + 1 == shards ? __builtin_popcount((uint32_t)shard) : __builtin_ctz(~(uint32_t)shard);
}

/* Deltas or inputs of all shards, `transpose`d; bytes of a block. */
typedef struct {
  const char *at;
  size_t block;
} Kept;

/* GRADIENT_OUTPUTS outputs by sixteen inputs, of which `outputs` by `columns` are real. */
static void denseGradientTile(Kept d, Kept x, int32_t shards, int32_t blocks, char *gradient, size_t row,
                              int32_t columns, int32_t outputs) {
  Wide pending[LEVELS][GRADIENT_OUTPUTS][PARTS];
  Wide a[GRADIENT_OUTPUTS][PARTS];
  int top = 0;
  /* The lines that the sums go to come from memory meanwhile. */
  for (int32_t o = 0; o < outputs; ++o) {
    __builtin_prefetch(gradient + o * row, 1);
    __builtin_prefetch(gradient + o * row + PANEL_ROW - 4, 1);
  }
#define EACH_SUM                                    \
  _Pragma("GCC unroll 8")                           \
  for (int o = 0; o < GRADIENT_OUTPUTS; ++o)        \
    _Pragma("GCC unroll 8")                         \
    for (int part = 0; part < PARTS; ++part)
  for (int32_t shard = 0; shard < shards; ++shard) {
    EACH_SUM a[o][part] = (Wide){0};
    for (int32_t block = 0; block < blocks; ++block, d.at += d.block, x.at += x.block) {
      /* Unrolled, it would keep more values than there are registers. */
#pragma GCC unroll 1
      for (int s = 0; s < LANES * PANEL_ROW; s += PANEL_ROW)
        EACH_SUM a[o][part] += splatWide(loadFloat(d.at + s + 4 * o)) * loadWide(x.at + s + part * WIDE);
    }
    for (int adds = pendingAdds(shard, shards); adds > 0; --adds) {
      --top;
      EACH_SUM a[o][part] = pending[top][o][part] + a[o][part];
    }
    EACH_SUM pending[top][o][part] = a[o][part];
    ++top;
  }
#undef EACH_SUM
  for (int32_t o = 0; o < outputs; ++o, gradient += row) {
    /* A size that the compiler knows is one store: calls would take a fifth of the time. */
    if (columns == PANEL) memcpy(gradient, pending[0][o], PANEL_ROW);
    else memcpy(gradient, pending[0][o], (size_t)columns << 2);
  }
}

/* A panel's biases, of which `outputs` are real. */
static void denseBiasTile(Kept d, int32_t shards, int32_t blocks, char *gradient, int32_t outputs) {
  f8 pending[LEVELS][2];
  int top = 0;
  for (int32_t shard = 0; shard < shards; ++shard) {
    f8 a = splat(0), b = splat(0);
    for (int32_t block = 0; block < blocks; ++block, d.at += d.block) {
      for (const char *q = d.at; q < d.at + LANES * PANEL_ROW; q += PANEL_ROW) {
        a += load8(q);
        b += load8(q + BLOCK);
      }
    }
    for (int adds = pendingAdds(shard, shards); adds > 0; --adds) {
      --top;
      a = pending[top][0] + a;
      b = pending[top][1] + b;
    }
    pending[top][0] = a;
    pending[top][1] = b;
    ++top;
  }
  memcpy(gradient, pending[0], (size_t)outputs << 2);
}

INLINE int32_t atMost(int32_t limit, int32_t n) { return n < limit ? n : limit; }

static void denseWeightGradient(const char *d, size_t blockD, const char *x, size_t blockX, int32_t shards,
                                int32_t blocks, int32_t inputs, int32_t outputs, char *gradient, char *biasGradient) {
  const size_t row = (size_t)inputs << 2;
  for (int32_t i = 0; i < inputs; i += PANEL) {
    const Kept columns = {x + panelOffset(i), blockX};
    for (int32_t o = 0; o < outputs; o += GRADIENT_OUTPUTS)
      denseGradientTile((Kept){d + panelOffset(o), blockD}, columns, shards, blocks,
                        gradient + (size_t)o * row + ((size_t)i << 2), row, atMost(PANEL, inputs - i),
                        atMost(GRADIENT_OUTPUTS, outputs - o));
  }
  if (biasGradient == NULL) return;
  for (int32_t o = 0; o < outputs; o += PANEL)
    denseBiasTile((Kept){d + panelOffset(o), blockD}, shards, blocks, biasGradient + ((size_t)o << 2),
                  atMost(PANEL, outputs - o));
}
