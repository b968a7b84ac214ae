// Numbers as people read them, in the terminal, on the pages and in reports.

const UNITS = ['B', 'KB', 'MB', 'GB', 'TB'] as const;

const whole = new Intl.NumberFormat('en', { maximumFractionDigits: 0 });

/** Such as 12,345. */
export function count(value: number): string {
  return whole.format(value);
}

/** A ratio 0..1 as 99.31 %. */
export function percent(ratio: number, digits = 2): string {
  return `${(100 * ratio).toFixed(digits)} %`;
}

/** A size in a fitting unit, such as 512 B or 14.7 MB. */
export function bytesText(bytes: number): string {
  let [value, unit] = [bytes, 0];
  // 999.95 would be rounded to 1000.0.
  for (; value >= 999.95 && unit < UNITS.length - 1; unit++) value /= 1000;
  return `${value.toFixed(unit === 0 ? 0 : 1)} ${UNITS[unit]}`;
}

/** A layer's name as the paper has it: C1, F6; the head is in small letters. */
export function layerText(name: string): string {
  return /^[a-z]\d$/.test(name) ? name.toUpperCase() : name;
}
