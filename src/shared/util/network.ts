/**
 * What has one share of a server's connections: the address itself for IPv4, mapped into IPv6 or not, and the first 64 bits of an IPv6
 * address, behind which one machine may have any. @param address as a socket gives it
 */
export function networkOf(address: string): string {
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(address)?.[1];
  if (mapped !== undefined || !address.includes(':')) return mapped ?? address;
  const [first, last] = address.split('::').map((part) => (part === '' ? [] : part.split(':'))) as [
    string[],
    string[]?,
  ];
  const zeros = last === undefined ? 0 : Math.max(0, 8 - first.length - last.length);
  return [...first, ...new Array(zeros).fill('0'), ...(last ?? [])].slice(0, 4).join(':');
}
