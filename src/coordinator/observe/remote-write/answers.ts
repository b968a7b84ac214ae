/** Of a receiver's answer; enough to find in it what must not be shown. */
const MAX_TEXT_BYTES = 4096;
/** However long the receiver asks for. */
const MAX_RETRY_AFTER_MS = 60_000;
/** Failures to connect: nothing was sent. */
const NOT_CONNECTED: ReadonlySet<unknown> = new Set([
  ...['ECONNREFUSED', 'ENOTFOUND', 'EAI_AGAIN', 'ENETUNREACH', 'EHOSTUNREACH', 'UND_ERR_CONNECT_TIMEOUT'],
]);

/** The receiver will never take the samples. */
export class Refusal extends Error {
  readonly status: number;
  /** It says that it has these samples, or later ones of the same series. */
  readonly hasItAlready: boolean;

  constructor(status: number, text: string) {
    const isRedirect = status >= 300 && status < 400;
    const advice = isRedirect ? ', a redirect, which is not followed: give the URL that it leads to' : '';
    super(`it refuses samples with ${status}${advice}${text && ` (${text})`}`);
    this.status = status;
    this.hasItAlready = status === 400 && /out of order|duplicate sample/i.test(text);
  }
}

/** An attempt that another may follow. */
export class TriedInVain extends Error {
  /** Milliseconds to wait besides, as the receiver asked. */
  readonly retryAfter: number;
  /** The receiver may have taken the samples all the same. */
  readonly mayHaveCome: boolean;

  constructor(reason: string, { retryAfter, mayHaveCome }: { retryAfter: number; mayHaveCome: boolean }) {
    super(reason);
    this.retryAfter = retryAfter;
    this.mayHaveCome = mayHaveCome;
  }
}

/** No answer came. */
export class UnansweredError extends TriedInVain {
  /** @param error of fetch, which wraps the system's; or the reason of an abort */
  constructor(error: unknown) {
    const cause = error instanceof Error && error.cause !== undefined ? error.cause : error;
    const { code, message } = cause as Partial<NodeJS.ErrnoException>;
    const reason = typeof cause === 'string' ? cause : (code ?? message ?? 'no reason given');
    super(`it can't be reached (${reason})`, { retryAfter: 0, mayHaveCome: !NOT_CONNECTED.has(code) });
  }
}

/** The beginning of an answer's text; the rest is not read. */
export async function textOf({ body }: Response): Promise<string> {
  if (body === null) return '';
  let text = Buffer.alloc(0);
  // Leaving the loop cancels the rest.
  for await (const part of body) {
    text = Buffer.concat([text, part as Uint8Array]);
    if (text.length > MAX_TEXT_BYTES) break;
  }
  return text.toString('utf8', 0, MAX_TEXT_BYTES);
}

/** Milliseconds that a Retry-After header asks to wait, in seconds or by a date; bounded, 0 where it says nothing. */
export function retryAfterMs(header: string | null, now: number): number {
  const text = header ?? '';
  const asked = /^\d+$/.test(text) ? 1000 * Number(text) : Date.parse(text) - now;
  return Number.isNaN(asked) ? 0 : Math.min(Math.max(0, asked), MAX_RETRY_AFTER_MS);
}
