/** What a text file begins with if it isn't UTF-8, as some shells and editors of Windows write it. */
const OTHERS = [
  ['utf-16le', Buffer.from([0xff, 0xfe])],
  ['utf-16be', Buffer.from([0xfe, 0xff])],
] as const;

/** The text of a file that a person edits: UTF-8, or UTF-16 with its mark; without the mark. @throws TypeError if it isn't that */
export function editedText(bytes: Uint8Array): string {
  const [encoding = 'utf-8'] = OTHERS.find(([, mark]) => mark.equals(bytes.subarray(0, mark.length))) ?? [];
  return new TextDecoder(encoding, { fatal: true }).decode(bytes);
}
