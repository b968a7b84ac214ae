/* Which kernels this processor and its operating system run. By CPUID itself: compilers' built-in checks differ. */
#pragma once

#include <cpuid.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "kernel.h"

/* Widest first. */
static const char *const TARGETS[] = {"avx512", "avx2", NULL};

/* Which registers the operating system saves at a switch of threads. */
static uint64_t savedRegisters(void) {
  uint32_t low, high;
  __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  return (uint64_t)high << 32 | low;
}

enum { YMM = 0x6, ZMM = 0xe6, OSXSAVE = 1 << 27, AVX = 1 << 28, AVX2 = 1 << 5 };
/* AVX-512 F, DQ, BW and VL. */
static const uint32_t AVX512 = 1u << 16 | 1u << 17 | 1u << 30 | 1u << 31;

static const Kernel *kernelNamed(const char *name) {
  uint32_t a, b, c, d;
  if (!__get_cpuid(1, &a, &b, &c, &d) || (c & (OSXSAVE | AVX)) != (OSXSAVE | AVX)) return NULL;
  const uint64_t saved = savedRegisters();
  if (!__get_cpuid_count(7, 0, &a, &b, &c, &d) || (saved & YMM) != YMM || !(b & AVX2)) return NULL;
  if (strcmp(name, "avx2") == 0) return &kernel_avx2;
  if (strcmp(name, "avx512") == 0 && (saved & ZMM) == ZMM && (b & AVX512) == AVX512) return &kernel_avx512;
  return NULL;
}
