/* A program's record (src/kernel/record.ts): 64 bytes, an operation's number and 15 words of arguments. */
#pragma once

#include "vector.h"

enum { RECORD = 64 };

/* A value or delta, f32 [map][y][x][LANES]; bytes from a row, and a map, to the next one (src/kernel/map-stack.ts). */
typedef struct {
  char *pointer;
  size_t row, plane;
} MapStack;

INLINE char *at(MapStack stack, int32_t map, int32_t y) {
  return stack.pointer + (size_t)map * stack.plane + (size_t)y * stack.row;
}

INLINE int32_t intAt(const char *record, int k) { return loadInt(record + 4 * k); }
INLINE uint32_t wordAt(const char *record, int k) { return (uint32_t)loadInt(record + 4 * k); }
INLINE float floatAt(const char *record, int k) { return loadFloat(record + 4 * k); }
/* The upper and the lower number of a pair. */
INLINE int32_t rowsAt(const char *record, int k) { return (int32_t)(wordAt(record, k) >> 16); }
INLINE int32_t columnsAt(const char *record, int k) { return (int32_t)(wordAt(record, k) & 0xffff); }
INLINE char *pointerIn(char *base, uint32_t offset) { return offset == 0 ? NULL : base + offset; }
INLINE char *withinBase(char *base, const char *record, int k) {
  return intAt(record, k) == -1 ? NULL : base + wordAt(record, k);
}
INLINE MapStack stackIn(char *base, const char *record, int k) {
  return (MapStack){pointerIn(base, wordAt(record, k)), wordAt(record, k + 1), wordAt(record, k + 2)};
}

/* In `run`, `r` is the record and `c` what `run` was given; pointers in records count from its base, and 0 is none. */
#define P(k) pointerIn(c->base, wordAt(r, k))
#define I(k) intAt(r, k)
#define U(k) ((size_t)wordAt(r, k))
#define F(k) floatAt(r, k)
#define M(k) stackIn(c->base, r, k)
#define ROWS(k) rowsAt(r, k)
#define COLUMNS(k) columnsAt(r, k)
#define SIZE(k) ROWS(k), COLUMNS(k)
#define W(k) withinBase(c->weights, r, k)
#define G(k) withinBase(c->gradient, r, k)
