/** The part of a receiver's answer that is read: enough to find and hide a token in it. */
const MAX_TEXT_BYTES = 4096;
/** The longest wait that a receiver can ask for. */
const MAX_RETRY_AFTER_MS = 60_000;
/** Codes of failures to connect: nothing was sent. */
const NOT_CONNECTED: ReadonlySet<unknown> = new Set([
  'ECONNREFUSED',
  'ENOTFOUND',
  'EAI_AGAIN',
  'ENETUNREACH',
  'EHOSTUNREACH',
  'UND_ERR_CONNECT_TIMEOUT',
]);

/** The receiver will never take the samples. */
export class RejectedError extends Error {
  readonly status: number;
  /** The receiver already has these samples, or later ones of the same series. */
  readonly isDuplicate: boolean;

  constructor(status: number, text: string) {
    const isRedirect = status >= 300 && status < 400;
    const advice = isRedirect ? ', a redirect, which is not followed: give the URL that it leads to' : '';
    super(`it rejects samples with ${status}${advice}${text && ` (${text})`}`);
    this.status = status;
    this.isDuplicate = status === 400 && /out of order|duplicate sample/i.test(text);
  }
}

/** An attempt failed, and another may succeed. */
export class RetryableError extends Error {
  /** Further milliseconds to wait, as the receiver asked. */
  readonly retryAfter: number;
  /** The receiver may have taken the samples nevertheless. */
  readonly mayBeDelivered: boolean;

  constructor(reason: string, { retryAfter, mayBeDelivered }: { retryAfter: number; mayBeDelivered: boolean }) {
    super(reason);
    this.retryAfter = retryAfter;
    this.mayBeDelivered = mayBeDelivered;
  }
}

/** The receiver didn't answer. */
export class NoAnswerError extends RetryableError {
  /** @param error the error of fetch, which wraps the system's; or the reason of an abort */
  constructor(error: unknown) {
    const cause = error instanceof Error && error.cause !== undefined ? error.cause : error;
    const { code, message } = cause as Partial<NodeJS.ErrnoException>;
    const reason = typeof cause === 'string' ? cause : (code ?? message ?? 'no reason given');
    super(`it can't be reached (${reason})`, { retryAfter: 0, mayBeDelivered: !NOT_CONNECTED.has(code) });
  }
}

/** The beginning of an answer's text. */
export async function textOf({ body }: Response): Promise<string> {
  if (body === null) return '';
  let text = Buffer.alloc(0);
  // Leaving the loop cancels the rest of the answer.
  for await (const part of body) {
    text = Buffer.concat([text, part as Uint8Array]);
    if (text.length > MAX_TEXT_BYTES) break;
  }
  return text.toString('utf8', 0, MAX_TEXT_BYTES);
}

/** Milliseconds that a Retry-After header asks to wait, in seconds or by a date; bounded; 0: it doesn't say. */
export function retryAfterMs(header: string | null, now: number): number {
  const text = header ?? '';
  const asked = /^\d+$/.test(text) ? 1000 * Number(text) : Date.parse(text) - now;
  return Number.isNaN(asked) ? 0 : Math.min(Math.max(0, asked), MAX_RETRY_AFTER_MS);
}
