import { isIP } from 'node:net';

/** Whether nobody but this machine's own processes can connect there; an IPv6 address may stand in brackets. */
export function isLoopback(host: string): boolean {
  return ['localhost', '::1', '[::1]'].includes(host) || (isIP(host) === 4 && host.startsWith('127.'));
}
