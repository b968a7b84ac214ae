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

/** A layer's name as the paper has it: C1, F6; the head is in small letters. */
export function layerText(name: string): string {
  return /^[a-z]\d$/.test(name) ? name.toUpperCase() : name;
}
