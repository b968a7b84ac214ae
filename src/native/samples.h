#pragma once

#include "vector.h"

/* Samples are anywhere in the data set, so none is in a cache: all of a block's are asked for before the first is used. */
INLINE void prefetchSamples(const char *samples, const char *indices, int32_t count, size_t bytes) {
  for (int32_t s = 0; s < count; ++s) {
    const char *const sample = samples + (size_t)loadInt(indices + 4 * s) * bytes;
    for (size_t at = 0; at < bytes; at += 64) __builtin_prefetch(sample + at);
  }
}
