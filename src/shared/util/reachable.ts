import { networkInterfaces } from 'node:os';

/** Addresses on which a server listens to every network, and which are no address to connect to. */
const WILDCARDS: ReadonlySet<string> = new Set(['0.0.0.0', '[::]']);

/** A server's URL as others can call it: this machine's own address instead of a wildcard. @param name stands for a wildcard if it is given */
export function reachable(url: string, name = ownAddress()): string {
  const parsed = new URL(url);
  return WILDCARDS.has(parsed.hostname) ? url.replace(parsed.hostname, name) : url;
}

/** An address of this machine on a network; its loopback if it has none. */
function ownAddress(): string {
  const addresses = Object.values(networkInterfaces()).flatMap((each = []) => each.filter(({ internal }) => !internal));
  const ipv4 = addresses.find(({ family }) => family === 'IPv4');
  // Link-local addresses need the name of an interface, which differs between machines.
  const ipv6 = addresses.find(({ family, scopeid }) => family === 'IPv6' && scopeid === 0);
  if (ipv4 !== undefined) return ipv4.address;
  return ipv6 === undefined ? '127.0.0.1' : `[${ipv6.address}]`;
}
