import { isIP } from 'node:net';

/** A host as sockets take it: an IPv6 address without its brackets. */
export function hostOf(text: string): string {
  return /^\[.*\]$/.test(text) ? text.slice(1, -1) : text;
}

/** Whether nobody but this machine's own processes can connect there; an IPv6 address may stand in brackets. */
export function isLoopback(host: string): boolean {
  return ['localhost', '::1'].includes(hostOf(host)) || (isIP(host) === 4 && host.startsWith('127.'));
}
