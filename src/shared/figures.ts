// Numbers as people read them, in the terminal, on the pages and in reports.

const whole = new Intl.NumberFormat('en', { maximumFractionDigits: 0 });

/** Such as 12,345. */
export function count(value: number): string {
  return whole.format(value);
}

/** A ratio 0..1 as 99.31 %. */
export function percent(ratio: number, digits = 2): string {
  return `${(100 * ratio).toFixed(digits)} %`;
}
