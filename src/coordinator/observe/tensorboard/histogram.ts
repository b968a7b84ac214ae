import type { HistogramProto } from './messages.ts';

/** The same number as in TensorFlow's own histogram summaries. */
const BUCKETS = 30;

/** A histogram of the finite values, in buckets of equal width from the least to the greatest; one bucket if all are equal. */
export function histogramOf(values: Float32Array): HistogramProto {
  const { min, max, num, sum, sumSquares } = momentsOf(values);
  if (num === 0) return { min: 0, max: 0, num, sum, sumSquares, bucketLimit: [0], bucket: [0] };
  if (min === max) return { min, max, num, sum, sumSquares, bucketLimit: [max], bucket: [num] };
  const bucket = new Array<number>(BUCKETS).fill(0);
  const scale = BUCKETS / (max - min);
  for (const value of values) {
    if (!Number.isFinite(value)) continue;
    const index = Math.min(BUCKETS - 1, Math.floor((value - min) * scale));
    bucket[index] = (bucket[index] as number) + 1;
  }
  const limits = bucket.map((_, i) => (i === BUCKETS - 1 ? max : min + ((max - min) * (i + 1)) / BUCKETS));
  return { min, max, num, sum, sumSquares, bucketLimit: limits, bucket };
}

function momentsOf(values: Float32Array): Pick<HistogramProto, 'min' | 'max' | 'num' | 'sum' | 'sumSquares'> {
  let [min, max, num, sum, sumSquares] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, 0, 0, 0];
  for (const value of values) {
    if (!Number.isFinite(value)) continue;
    if (value < min) min = value;
    if (value > max) max = value;
    num++;
    sum += value;
    sumSquares += value * value;
  }
  return { min, max, num, sum, sumSquares };
}
