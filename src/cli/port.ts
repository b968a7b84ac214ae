export const MAX_PORT = 65_535;

/** @returns undefined if the text is no port; 0 is any free one */
export function parsePort(text: string): number | undefined {
  const port = Number(text);
  return /^\d+$/.test(text) && port <= MAX_PORT ? port : undefined;
}
