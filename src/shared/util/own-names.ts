import { hostname, networkInterfaces } from 'node:os';
import { hostOf, isLoopback } from './loopback.ts';

/**
 * Whether a host is this machine by its own word: loopback, its host name, or one of its addresses. No other site can have such a name,
 * so a page that is called by it isn't one of another site whose name leads here.
 */
export function isOwnName(host: string): boolean {
  if (isLoopback(host) || host.toLowerCase() === hostname().toLowerCase()) return true;
  const address = hostOf(host).toLowerCase();
  return Object.values(networkInterfaces()).some((each = []) => each.some((own) => own.address === address));
}
