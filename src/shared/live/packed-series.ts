import { type CurveQuantity, QUANTITIES, type Range, type SeriesData } from './series.ts';
import type { Times } from './step-times.ts';

/** Some quantities of a series in a file, without what follows from the rest. */
export interface PackedSeries {
  readonly size: number;
  /** Undefined: the buckets 0, 1, 2 and so on, each of one step. */
  readonly places?: Pick<SeriesData, 'buckets' | 'counts' | 'last'>;
  /** `min` and `max` are left out if each value is of one step. */
  readonly values: Readonly<Partial<Record<CurveQuantity, Partial<Range> & Pick<Range, 'mean'>>>>;
  /** Undefined: they weren't packed. */
  readonly times?: Times | undefined;
}

export function packSeries(data: SeriesData, quantities: readonly CurveQuantity[]): PackedSeries {
  const { size, buckets, counts, last } = data;
  const isPlain = size === 1 && buckets.every((bucket, i) => bucket === i && counts[i] === 1);
  const values = quantities.map((quantity) => {
    const { mean, min, max } = data.values[quantity] as Range;
    return [quantity, isPlain ? { mean } : { mean, min, max }];
  });
  return { size, ...(!isPlain && { places: { buckets, counts, last } }), values: Object.fromEntries(values) };
}

/** Quantities that weren't packed have no values. */
export function unpackSeries({ size, places, values, times }: PackedSeries): SeriesData {
  const length = Object.values(values)[0]?.mean.length ?? 0;
  const buckets = places?.buckets ?? Array.from({ length }, (_, i) => i);
  const counts = places?.counts ?? buckets.map(() => 1);
  const last = places?.last ?? length;
  const quantities = new Set([...QUANTITIES, ...(Object.keys(values) as CurveQuantity[])]);
  const ranges = [...quantities].map((quantity) => {
    const { mean = [], min = mean, max = mean } = values[quantity] ?? {};
    return [quantity, { mean, min, max }];
  });
  return { size, buckets, counts, last, values: Object.fromEntries(ranges) as SeriesData['values'], times };
}
