export const MAX_PORT = 65_535;

/** @returns undefined if the text is no whole number from `least` to `most` */
export function parseWhole(text: string, least: number, most = Number.MAX_SAFE_INTEGER): number | undefined {
  const number = Number(text);
  return /^\d+$/.test(text) && number >= least && number <= most ? number : undefined;
}

/** @returns undefined if the text is no port; 0 is any free one */
export function parsePort(text: string): number | undefined {
  return parseWhole(text, 0, MAX_PORT);
}
