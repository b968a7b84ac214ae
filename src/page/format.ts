const whole = new Intl.NumberFormat('en', { maximumFractionDigits: 0 });

/** Such as 12,345. */
export function count(value: number): string {
  return whole.format(value);
}

/** A ratio 0..1 as 99.31 %. */
export function percent(ratio: number, digits = 2): string {
  return `${(100 * ratio).toFixed(digits)} %`;
}

/** Four digits that count, such as 0.01234 or 1.234e-7. */
export function figure(value: number): string {
  if (value === 0) return '0';
  const size = Math.abs(value);
  return size < 1e-4 || size >= 1e5 ? value.toExponential(2) : String(Number(value.toPrecision(4)));
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

export function clock(time: number): string {
  return new Date(time).toLocaleTimeString('en-GB');
}
