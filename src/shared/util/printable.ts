/** A peer's words for terminal, log and metrics, in which they could otherwise steer or forge lines. */
export function printable(text: string): string {
  return text.replaceAll(/\p{C}/gu, '?');
}
