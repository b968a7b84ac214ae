/* What a target's kernel offers; kernel.c is compiled once for each. Pointers are addresses, counts are float32s. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

typedef struct {
  char *base;
  char *list;
  int32_t operations;
  char *weights, *gradient;
  char *samples, *targets;
  int32_t count, kept;
  bool accumulate;
} Run;

typedef struct {
  float clip, decay, shrink, rate, correction, beta1, beta2, rest1, rest2, epsilon;
} AdamScalars;

typedef struct {
  /* Whether it knew all operations of the list. */
  bool (*run)(const Run *run);
  void (*add)(char *target, const char *a, const char *b, int32_t count);
  double (*meanAndSquares)(char *target, const char *sum, int32_t count, float scale);
  void (*sgd)(const char *w, char *wNext, const char *m, char *mNext, const char *gradient, int32_t count, float clip,
              float rate, float momentum, float decay);
  void (*adam)(const char *w, char *wNext, const char *m, char *mNext, const char *v, char *vNext, const char *gradient,
               int32_t count, AdamScalars scalars);
  void (*follow)(const char *w, char *wNext, const char *mean, int32_t count, float share);
} Kernel;

extern const Kernel kernel_avx2, kernel_avx512;
