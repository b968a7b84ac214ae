/** Why no connection came about. */
export class ConnectError extends Error {
  /** The address or the certificates that this side was given are wrong: a retry finds the same. */
  readonly isMisconfigured: boolean;

  constructor(message: string, { isMisconfigured, ...options }: ErrorOptions & { isMisconfigured: boolean }) {
    super(message, options);
    this.isMisconfigured = isMisconfigured;
  }
}

/** An error of Node.js; its codes for certificates: https://nodejs.org/api/tls.html#x509-certificate-error-codes. */
interface Failure extends NodeJS.ErrnoException {
  /** Of a name that has several addresses. */
  readonly errors?: readonly Error[];
  /** The server's certificate. */
  readonly cert?: { readonly subjectaltname?: string };
}

const NOT_TLS = /wrong version number|packet length too long|http request|ERR_SSL_WRONG_VERSION_NUMBER/i;
const NOT_WEBSOCKET = /^Unexpected server response: (\d+)/;
const UNTRUSTED = /^(DEPTH_ZERO_SELF_SIGNED_CERT|SELF_SIGNED_CERT_IN_CHAIN|UNABLE_TO_\w+|CERT_UNTRUSTED|INVALID_CA)$/;
const OTHER_CERTIFICATE_ERROR = /^(CERT_|CRL_|ERR_TLS_CERT_|HOSTNAME_MISMATCH|INVALID_PURPOSE|PATH_LENGTH_EXCEEDED)/;

/** In plain words why a WebSocket client got no connection. @param hasAuthority certificates were given to trust */
export function connectErrorOf(error: Failure, url: URL, hasAuthority: boolean): ConnectError {
  const wrong = misconfiguration(error, url, hasAuthority);
  const [, status] = NOT_WEBSOCKET.exec(error.message) ?? [];
  const unfit =
    status === undefined
      ? error.message || error.errors?.[0]?.message || error.code || 'no reason is known'
      : `it answers HTTP ${status}, and not as train --listen does: is this the port of its metrics, or a proxy's`;
  return new ConnectError(wrong ?? unfit, { cause: error, isMisconfigured: wrong !== undefined });
}

/** The server at a ws:// address speaks TLS. */
export function needsTls(url: URL): ConnectError {
  return new ConnectError(`it speaks TLS: connect to wss://${url.host}`, { isMisconfigured: true });
}

function misconfiguration({ message, code = '', cert }: Failure, url: URL, hasAuthority: boolean): string | undefined {
  if (url.protocol !== 'wss:') return undefined;
  if (NOT_TLS.test(`${code} ${message}`)) return `it doesn't speak TLS: connect to ws://${url.host}`;
  if (code === 'ERR_TLS_CERT_ALTNAME_INVALID') {
    const names = cert?.subjectaltname ?? 'no name at all';
    return `its certificate is for ${names}, and not for ${url.hostname}: connect by a name that it has`;
  }
  const now = `this machine's clock says ${new Date().toISOString().slice(0, 16)}Z`;
  if (code === 'CERT_HAS_EXPIRED') return `its certificate has expired (${now})`;
  if (code === 'CERT_NOT_YET_VALID') return `its certificate isn't valid yet (${now})`;
  if (UNTRUSTED.test(code)) {
    return hasAuthority
      ? 'its certificate is not signed by those of --tls-ca: give the certificate of its authority, or its own if it signs itself'
      : 'its certificate is signed by nobody whom this system trusts: give its authority by --tls-ca FILE';
  }
  if (OTHER_CERTIFICATE_ERROR.test(code)) return `its certificate can't be used: ${message} (${code})`;
  return undefined;
}
