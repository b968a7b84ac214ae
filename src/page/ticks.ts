// Round values along an axis.

/** Between two labels of the axis: one, two or five times a power of ten. */
export const WHOLE_STEPS = Array.from({ length: 30 }, (_, i) => ([1, 2, 5][i % 3] as number) * 10 ** Math.floor(i / 3));

/**
 * The next one, two or five of a power of ten. Where a logarithmic axis begins elsewhere, uPlot rounds its way along it, and from
 * values such as 0.00096 never gets on.
 */
export function roundBelow(value: number): number {
  const power = 10 ** Math.floor(Math.log10(value));
  const digit = [5, 2, 1].find((each) => each * power <= value) ?? 1;
  return Number(`${digit}e${Math.round(Math.log10(power))}`);
}

/** Of the values along a logarithmic axis those that get a label: powers of ten, or where there are few also twice and five times. */
export function roundOnes(values: readonly number[]): number[] {
  const withDigits = (digits: readonly string[]): number[] =>
    values.filter((value) => value > 0 && digits.includes(value.toExponential(3).replace(/\.?0*e.*/, '')));
  const powers = withDigits(['1']);
  return powers.length > 1 ? powers : withDigits(['1', '2', '5']);
}

/** Along a logarithmic axis powers of ten, where there are few also twice and five times; along less than one power all that a linear one has. */
export function roundSteps(from: number, to: number, increment: number): number[] {
  if (to < 10 * from) {
    const first = Math.ceil(from / increment);
    return Array.from({ length: Math.floor(to / increment) - first + 1 }, (_, i) => (first + i) * increment);
  }
  return roundOnes(WHOLE_STEPS.filter((step) => step >= from && step <= to));
}
