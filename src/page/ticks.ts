// Round values along an axis.

/** The most lines across a chart, which are then four pixels apart. */
const MAX_LINES = 60;

/** Distances between two labels of the axis: one, two or five times a power of ten. */
export const WHOLE_STEPS = Array.from({ length: 30 }, (_, i) => ([1, 2, 5][i % 3] as number) * 10 ** Math.floor(i / 3));

/**
 * The largest of one, two or five times a power of ten up to `value`. If a logarithmic axis starts elsewhere, uPlot rounds its steps
 * along it, and loops forever from values such as 0.00096.
 */
export function roundBelow(value: number): number {
  const power = 10 ** Math.floor(Math.log10(value));
  const digit = [5, 2, 1].find((each) => each * power <= value) ?? 1;
  return Number(`${digit}e${Math.round(Math.log10(power))}`);
}

/** The values along a logarithmic axis that get a label: powers of ten, and if there are few also twice and five times. */
export function roundOnes(values: readonly number[]): number[] {
  const withDigits = (digits: readonly string[]): number[] =>
    values.filter((value) => value > 0 && digits.includes(value.toExponential(3).replace(/\.?0*e.*/, '')));
  const powers = withDigits(['1']);
  return powers.length > 1 ? powers : withDigits(['1', '2', '5']);
}

/** The lines along a logarithmic axis, null for those left out: if they would be a grey area, only round ones are drawn. */
export function gridLines(values: readonly number[]): (number | null)[] {
  const drawn = values.length > MAX_LINES ? roundOnes(values) : values;
  return values.map((value) => (drawn.includes(value) ? value : null));
}

/** The labels of a logarithmic axis of steps: as roundOnes; within one power of ten those of a linear axis. */
export function roundSteps(from: number, to: number, increment: number): number[] {
  if (to < 10 * from) {
    const first = Math.ceil(from / increment);
    return Array.from({ length: Math.floor(to / increment) - first + 1 }, (_, i) => (first + i) * increment);
  }
  return roundOnes(WHOLE_STEPS.filter((step) => step >= from && step <= to));
}
