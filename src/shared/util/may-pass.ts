/** Codes of errors of the system and of the HTTP client whose cause may go by itself. */
const CODES: ReadonlySet<unknown> = new Set([
  // Disks: full, read-only after a failure, failing. Node has no names for EDQUOT and ESTALE of Linux.
  ...['ENOSPC', 'EROFS', 'EIO', 'Unknown system error -122', 'Unknown system error -116'],
  // The machine: memory, threads and open files of all processes.
  ...['ENOMEM', 'EAGAIN', 'ENFILE'],
  // Networks, which may not be up yet.
  ...['ENOTFOUND', 'EAI_AGAIN', 'ENETDOWN', 'ENETUNREACH', 'EHOSTDOWN', 'EHOSTUNREACH'],
  ...['ECONNREFUSED', 'ECONNRESET', 'ECONNABORTED', 'ETIMEDOUT', 'UND_ERR_CONNECT_TIMEOUT', 'UND_ERR_SOCKET'],
  // Addresses to listen on: of a process that is ending, or of a network that isn't up yet.
  ...['EADDRINUSE', 'EADDRNOTAVAIL'],
]);

/** What errors may have: `isTemporary` those of this package, `errors` those that stand for several. */
interface Failure {
  readonly isTemporary?: unknown;
  readonly code?: unknown;
  readonly errors?: unknown;
}

/** Whether the cause of a failure may go by itself, so that the same command may work later. */
export function mayPass(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  const { isTemporary, code, errors } = error as Failure;
  if (isTemporary === true || CODES.has(code)) return true;
  return mayPass(error.cause) || (Array.isArray(errors) && errors.some(mayPass));
}

/** The same of the status of an HTTP answer. */
export function statusMayPass(status: number): boolean {
  return status === 408 || status === 429 || status >= 500;
}
