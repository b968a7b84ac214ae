/* Where Linux leaves it to programs, memory in pages of 2 MiB: updates of large networks then miss fewer addresses. */
#pragma once

#include <stddef.h>

#ifdef __linux__
#include <sys/mman.h>
/* If the system gives none, the pages stay as they are. */
static inline void preferLargePages(void *base, size_t bytes) { (void)madvise(base, bytes, MADV_HUGEPAGE); }
#else
static inline void preferLargePages(void *base, size_t bytes) { (void)base, (void)bytes; }
#endif
