/* Losses, deltas and predictions of a block (src/kernel/heads). Lanes from `count` on get zero deltas. */
#include "math.h"

/* As f32x4.max and f32x4.min of WebAssembly: NaN wins, -0 < 0. */
INLINE f8 orNan(f8 value, f8 a, f8 b) { return select8((a == a) & (b == b), value, a + b); }
INLINE f8 maximum(f8 a, f8 b) {
  return orNan(select8(a == b, (f8)((i8v)a & (i8v)b), select8(a > b, a, b)), a, b);
}
INLINE f8 minimum(f8 a, f8 b) {
  return orNan(select8(a == b, (f8)((i8v)a | (i8v)b), select8(a < b, a, b)), a, b);
}

INLINE i8v ofLabel(const char *labels, int32_t k) { return (i8v)load8(labels) == k; }
/* 1 in the lanes whose label is `k`, else 0. */
INLINE f8 oneHot(const char *labels, int32_t k) { return maskedBy(splat(1), ofLabel(labels, k)); }
INLINE f8 negative(f8 x) { return (f8)((i8v)x ^ (int32_t)0x80000000); }

/* The upper lanes are left as they are if no real sample reaches them. */
INLINE void storePredictions(char *predictions, i8v best, int32_t count) {
  if (count > 4) store8(predictions, (f8)best);
  else store4(predictions, lowHalf((f8)best));
}

/* Adds log(sum) + shift of each real lane. */
static double addLosses(f8 sum, f8 shift, int32_t count) {
  float sums[LANES], shifts[LANES];
  store8(sums, sum);
  store8(shifts, shift);
  double loss = 0;
  for (int32_t s = 0; s < count; ++s) loss += logarithm((double)sums[s]) + (double)shifts[s];
  return loss;
}

/* The largest of a sample's logits; `best` gets the first class that has it. */
INLINE f8 largestOf(const char *z, int32_t classes, i8v *best) {
  f8 max = load8(z);
  *best = (i8v){0};
  for (int32_t k = 1; k < classes; ++k) {
    const f8 zk = load8(z + (size_t)k * BLOCK);
    *best = (i8v)select8(zk > max, (f8)((i8v){0} + k), (f8)*best);
    max = maximum(max, zk);
  }
  return max;
}

static double softmaxHead(const char *z, const char *labels, int32_t count, int32_t classes, char *d,
                          char *predictions) {
  i8v best;
  const f8 max = largestOf(z, classes, &best);
  f8 sum = splat(0);
  i8v truth = {0};
  for (int32_t k = 0; k < classes; ++k) {
    const f8 zk = load8(z + (size_t)k * BLOCK);
    truth |= (i8v)zk & ofLabel(labels, k);
    const f8 e = expNonPositive(zk - max);
    sum += e;
    store8(d + (size_t)k * BLOCK, e);
  }
  storePredictions(predictions, best, count);
  const i8v real = laneMask(count);
  for (int32_t k = 0; k < classes; ++k) {
    char *dk = d + (size_t)k * BLOCK;
    store8(dk, maskedBy(flushTiny(load8(dk) / sum - oneHot(labels, k), TINY), real));
  }
  return addLosses(sum, max - (f8)truth, count);
}

/* `off`, and (1 - smoothing) more in the lanes whose label is `k`. */
INLINE f8 targetOf(const char *labels, int32_t k, float smoothing, float off) {
  return splat(1 - smoothing) * oneHot(labels, k) + splat(off);
}

/* The class weights of the labels; lanes without a label, and all if there are none, have 1. */
static void weightsOf(const char *labels, const char *classWeights, int32_t count, float weights[LANES]) {
  for (int32_t s = 0; s < LANES; ++s) {
    const int32_t label = s < count ? loadInt(labels + 4 * s) : -1;
    weights[s] = classWeights == NULL || label < 0 ? 1 : loadFloat(classWeights + 4 * (size_t)label);
  }
}

static double smoothedSoftmaxHead(const char *z, const char *labels, int32_t count, int32_t classes, char *d,
                                  char *predictions, float smoothing, const char *classWeights) {
  const float off = smoothing / (float)classes;
  float weights[LANES], sums[LANES], margins[LANES];
  weightsOf(labels, classWeights, count, weights);
  i8v best;
  const f8 max = largestOf(z, classes, &best);
  // The sum over classes of target (max - z): what log-sum-exp lacks to the loss.
  f8 margin = splat(0), sum = splat(0);
  for (int32_t k = 0; k < classes; ++k) {
    const f8 below = max - load8(z + (size_t)k * BLOCK);
    const f8 e = expNonPositive(negative(below));
    const f8 target = targetOf(labels, k, smoothing, off);
    // A target of 0 keeps an infinite margin out.
    margin += maskedBy(target * below, target > splat(0));
    sum += e;
    store8(d + (size_t)k * BLOCK, e);
  }
  storePredictions(predictions, best, count);
  const i8v real = laneMask(count);
  for (int32_t k = 0; k < classes; ++k) {
    char *dk = d + (size_t)k * BLOCK;
    const f8 delta = load8(weights) * (load8(dk) / sum - targetOf(labels, k, smoothing, off));
    store8(dk, maskedBy(flushTiny(delta, TINY), real));
  }
  store8(sums, sum);
  store8(margins, margin);
  double loss = 0;
  for (int32_t s = 0; s < count; ++s)
    loss += (logarithm((double)sums[s]) + (double)margins[s]) * (double)weights[s];
  return loss;
}

static double weightedSoftmaxHead(const char *z, const char *labels, int32_t count, int32_t classes, char *d,
                                  char *predictions, float smoothing, const char *classWeights) {
  const float off = smoothing / (float)classes;
  i8v best;
  const f8 max = largestOf(z, classes, &best);
  // The sums over classes of a and of a (max - z).
  f8 all = splat(0), margin = splat(0), sum = splat(0);
  for (int32_t k = 0; k < classes; ++k) {
    const f8 below = max - load8(z + (size_t)k * BLOCK);
    const f8 e = expNonPositive(negative(below));
    const f8 a = splatAt(classWeights + (size_t)k * 4) * targetOf(labels, k, smoothing, off);
    // A target of 0 keeps an infinite margin out.
    margin += maskedBy(a * below, a > splat(0));
    all += a;
    sum += e;
    store8(d + (size_t)k * BLOCK, e);
  }
  storePredictions(predictions, best, count);
  const i8v real = laneMask(count);
  for (int32_t k = 0; k < classes; ++k) {
    char *dk = d + (size_t)k * BLOCK;
    const f8 a = splatAt(classWeights + (size_t)k * 4) * targetOf(labels, k, smoothing, off);
    store8(dk, maskedBy(flushTiny(all * (load8(dk) / sum) - a, TINY), real));
  }
  float alls[LANES], sums[LANES], margins[LANES];
  store8(alls, all);
  store8(sums, sum);
  store8(margins, margin);
  double loss = 0;
  for (int32_t s = 0; s < count; ++s)
    loss += (double)alls[s] * logarithm((double)sums[s]) + (double)margins[s];
  return loss;
}

static f8 squaredDistance(const char *x, const char *target, int32_t units) {
  f8 sum = splat(0);
  for (size_t u = 0; u < (size_t)units; ++u) {
    const f8 difference = load8(x + u * BLOCK) - splatAt(target + 4 * u);
    sum += difference * difference;
  }
  return sum;
}

/* dE/dx_u = sum_i dE/dy_i 2 (x_u - t_iu). */
static void rbfInputGradient(const char *x, const char *targets, const char *dy, int32_t classes, int32_t units,
                             char *d) {
  for (size_t u = 0; u < (size_t)units; ++u) {
    const f8 xu = load8(x + u * BLOCK);
    f8 sum = splat(0);
    for (size_t k = 0; k < (size_t)classes; ++k)
      sum += load8(dy + k * BLOCK) * (xu - splatAt(targets + 4 * (k * (size_t)units + u)));
    store8(d + u * BLOCK, sum + sum);
  }
}

static double rbfHead(const char *x, const char *targets, const char *labels, int32_t count, int32_t classes,
                      int32_t units, float j, char *y, char *d, char *predictions) {
  f8 min = splat(__builtin_inff());
  i8v best = {0}, truth = {0};
  for (int32_t k = 0; k < classes; ++k) {
    const f8 yk = squaredDistance(x, targets + 4 * (size_t)k * (size_t)units, units);
    store8(y + (size_t)k * BLOCK, yk);
    best = (i8v)select8(yk < min, (f8)((i8v){0} + k), (f8)best);
    min = minimum(min, yk);
    truth |= (i8v)yk & ofLabel(labels, k);
  }
  store8(predictions, (f8)best);
  // The shift -min(j, min y): no exponent is above zero.
  const f8 low = minimum(min, splat(j));
  f8 sum = expNonPositive(low - splat(j));
  for (int32_t k = 0; k < classes; ++k) {
    // Not in d, which has room for units alone.
    char *yk = y + (size_t)k * BLOCK;
    const f8 e = expNonPositive(low - load8(yk));
    sum += e;
    store8(yk, e);
  }
  const i8v real = laneMask(count);
  for (int32_t k = 0; k < classes; ++k) {
    char *yk = y + (size_t)k * BLOCK;
    store8(yk, maskedBy(flushTiny(oneHot(labels, k) - load8(yk) / sum, TINY), real));
  }
  rbfInputGradient(x, targets, y, classes, units, d);
  return addLosses(sum, (f8)truth - low, count);
}

/* Output k's targets, f32 [sample][outputs]; 0 in empty lanes, whose indices are never read. */
INLINE f8 targetsAt(const char *targets, const char *indices, int32_t count, int32_t outputs, int32_t k) {
  float t[LANES] = {0};
  for (int32_t s = 0; s < count; ++s)
    t[s] = loadFloat(targets + ((size_t)loadInt(indices + 4 * s) * (size_t)outputs + (size_t)k) * 4);
  return load8(t);
}

/* The samples' means over the outputs, summed. */
INLINE double sumOfMeans(const double sums[LANES], int32_t count, int32_t outputs) {
  double loss = 0;
  for (int32_t s = 0; s < count; ++s) loss += sums[s] / (double)outputs;
  return loss;
}

static double sigmoidHead(const char *z, const char *targets, const char *indices, int32_t count, int32_t outputs,
                          char *d, char *predictions) {
  const f8 share = splat(1 / (float)outputs);
  const i8v real = laneMask(count);
  i8v right = real;
  double sums[LANES] = {0};
  for (int32_t k = 0; k < outputs; ++k) {
    const f8 logits = load8(z + (size_t)k * BLOCK);
    const f8 t = targetsAt(targets, indices, count, outputs, k);
    float x[LANES], positive[LANES], aim[LANES], e[LANES];
    store8(x, logits);
    store8(positive, maximum(logits, splat(0)));
    store8(aim, t);
    store8(e, expNonPositive(negative(absolute(logits))));
    for (int32_t s = 0; s < count; ++s)
      sums[s] += (double)positive[s] - (double)x[s] * (double)aim[s] + logarithm(1 + (double)e[s]);
    store8(d + (size_t)k * BLOCK, maskedBy(flushTiny((sigmoid8(logits) - t) * share, TINY), real));
    right &= ~((logits > splat(0)) ^ (t > splat(0.5f)));
  }
  store8(predictions, (f8)(right & 1));
  return sumOfMeans(sums, count, outputs);
}

static double mseHead(const char *z, const char *targets, const char *indices, int32_t count, int32_t outputs,
                      char *d) {
  const f8 scale = splat(2 / (float)outputs);
  const i8v real = laneMask(count);
  double sums[LANES] = {0};
  for (int32_t k = 0; k < outputs; ++k) {
    const f8 value = load8(z + (size_t)k * BLOCK);
    const f8 t = targetsAt(targets, indices, count, outputs, k);
    float x[LANES], aim[LANES];
    store8(x, value);
    store8(aim, t);
    for (int s = 0; s < LANES; ++s) {
      const double difference = (double)x[s] - (double)aim[s];
      sums[s] += difference * difference;
    }
    store8(d + (size_t)k * BLOCK, maskedBy(flushTiny((value - t) * scale, TINY), real));
  }
  return sumOfMeans(sums, count, outputs);
}
