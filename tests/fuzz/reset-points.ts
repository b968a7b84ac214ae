/** In the order of a connection's life. Without TLS, the points of its handshake are those of the TCP connection. */
export const RESET_POINTS = [
  'after the TCP connection',
  'in the TLS handshake',
  'while TLS answers',
  'after the TLS handshake',
  'in the request',
  'after the request',
  'after the response',
  'in the proof',
  'after the proof',
  'after the welcome',
  'in the hello',
  'after the hello',
  'after ready',
  'in an answer',
] as const;
export type ResetPoint = (typeof RESET_POINTS)[number];
/** Those that need no token. */
export const RESET_BEFORE = RESET_POINTS.slice(0, RESET_POINTS.indexOf('after the proof'));
