/** A text as one line: control characters from peers, files and names would otherwise steer a terminal, or forge lines. */
export function printable(text: string): string {
  return text.replaceAll(/\p{C}/gu, '?');
}
