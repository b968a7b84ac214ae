/** What stands in place of NaN and infinities. */
export const NOT_FINITE = 'not finite';

/** Four significant digits, such as 0.01234; up to three for very small or large values, such as 1.23e-7. */
export function figure(value: number): string {
  if (value === 0) return '0';
  const size = Math.abs(value);
  return size < 1e-4 || size >= 1e5
    ? value.toExponential(2).replace(/\.?0+e/, 'e')
    : String(Number(value.toPrecision(4)));
}

/** Seconds as 850 µs, 12.3 ms, 4.2 s, 3 min 20 s or 2 h 5 min. */
export function duration(seconds: number): string {
  if (seconds < 0.001) return `${(1e6 * seconds).toFixed(0)} µs`;
  if (seconds < 1) return `${Number((1000 * seconds).toPrecision(3))} ms`;
  if (seconds < 10) return `${seconds.toFixed(1)} s`;
  const rounded = Math.round(seconds);
  if (rounded < 60) return `${rounded} s`;
  if (rounded < 3600) return `${Math.floor(rounded / 60)} min ${rounded % 60} s`;
  return `${Math.floor(rounded / 3600)} h ${Math.floor((rounded % 3600) / 60)} min`;
}

/** The time of day, with the date if that isn't today. */
export function clock(time: number): string {
  const date = new Date(time);
  const isToday = date.toDateString() === new Date().toDateString();
  const day = isToday ? '' : `${date.toLocaleDateString('en-CA')} `;
  return `${day}${date.toLocaleTimeString('en-GB')}`;
}

/** A value that may not be there yet, or that isn't finite. */
export function orDash(value: number | null | undefined, format: (value: number) => string): string {
  if (value === null) return NOT_FINITE;
  return value === undefined ? '–' : format(value);
}
