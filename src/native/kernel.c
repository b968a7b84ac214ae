/*
 * All operations for one target in one translation unit, compiled once for each with -DTARGET=avx2 or avx512. src/kernel
 * defines what each computes, and its bits.
 */
#include "optimizer.c"

#include "activations.c"
#include "batch-norm.c"
#include "convolution.c"
#include "dense.c"
#include "elementwise.c"
#include "group-norm.c"
#include "heads.c"
#include "lenet.c"
#include "pool.c"
#include "samples.c"
#include "subsampled-conv.c"

#include "run.c"

#define NAME_OF(target) kernel_##target
#define NAME(target) NAME_OF(target)

const Kernel NAME(TARGET) = {run, add, meanAndSquares, sgd, adam, follow};
