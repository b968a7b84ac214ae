import { statusMayPass } from '../util/may-pass.ts';
import { byProxy, proxiedFetch } from '../util/proxy.ts';

/** What a mirror did instead of delivering; the message follows its name, as in "it answered 404". */
export class MirrorError extends Error {
  /** The same in a few words without an address. */
  readonly reason: string;
  /** The mirror may deliver later, whatever the cause is. */
  readonly isTemporary: boolean;

  constructor(
    message: string,
    {
      reason = message,
      isTemporary = false,
      ...options
    }: ErrorOptions & { readonly reason?: string; readonly isTemporary?: boolean } = {},
  ) {
    super(message, options);
    this.reason = reason;
    this.isTemporary = isTemporary;
  }
}

/** Calls `expired` in so many milliseconds, unless cancelled. */
export type StartTimer = (milliseconds: number, expired: () => void) => { readonly cancel: () => void };

export interface DownloadOptions {
  /** Most bytes of the body: what comes beyond ends the download. */
  readonly limit: number;
  /** Called with each piece: bytes so far, and the total if the server sent it. */
  readonly onProgress?: ((received: number, total: number | undefined) => void) | undefined;
  readonly startTimer?: StartTimer | undefined;
  /** Names the proxy, if there is one. */
  readonly env: NodeJS.ProcessEnv;
}

/** What the codes of failed connections mean. */
const REASONS: Readonly<Record<string, string>> = {
  ENOTFOUND: 'its host was not found: is there a network?',
  EAI_AGAIN: 'its host could not be looked up: is there a network?',
  ENETUNREACH: 'there is no network',
  EHOSTUNREACH: 'its host is out of reach',
  ECONNREFUSED: 'the connection was refused',
  ECONNRESET: 'the connection was broken',
  ETIMEDOUT: 'the connection timed out',
};

const ANSWER_MILLISECONDS = 3000;
const STALL_MILLISECONDS = 5000;

/**
 * Fetches a file over HTTP, following redirects, by way of the environment's proxies.
 * @returns its bytes as they were sent
 * @throws MirrorError if there is no connection, no answer in time, another status than 2xx, a stall, a break or too much
 */
export async function download(url: string, options: DownloadOptions): Promise<Buffer> {
  const deadline = new Deadline(options.startTimer ?? startTimer);
  try {
    deadline.set(ANSWER_MILLISECONDS, `didn't answer within ${ANSWER_MILLISECONDS / 1000} s`);
    // Compressing what is compressed already would only cost time.
    const init = { headers: { 'accept-encoding': 'identity' }, signal: deadline.signal };
    const response = await proxiedFetch(url, init, options.env);
    if (!response.ok) {
      // Not awaited: a server may never end the page that comes with its error.
      response.body?.cancel().catch(() => {});
      const { status, statusText } = response;
      throw new MirrorError(`answered ${status} ${statusText}`.trimEnd(), { isTemporary: statusMayPass(status) });
    }
    return await bodyOf(response, deadline, options);
  } catch (error) {
    const cause = deadline.signal.aborted ? deadline.signal.reason : error;
    const { problem, reason } = problemOf(cause);
    const proxy = proxyText(url, options.env);
    throw new MirrorError(problem + proxy, { cause, reason: reason + proxy });
  } finally {
    deadline.cancel();
  }
}

async function bodyOf(response: Response, deadline: Deadline, options: DownloadOptions): Promise<Buffer> {
  const total = Number(response.headers.get('content-length')) || undefined;
  // Only what comes takes memory: the rest of the array is never touched.
  const body = Buffer.allocUnsafeSlow(options.limit);
  let received = 0;
  const expectMore = (): void =>
    deadline.set(STALL_MILLISECONDS, `stalled: nothing for ${STALL_MILLISECONDS / 1000} s after ${received} bytes`);
  expectMore();
  for await (const chunk of response.body ?? []) {
    if (received + chunk.length > options.limit) {
      throw new MirrorError(`sent more than the ${options.limit} bytes allowed`);
    }
    body.set(chunk, received);
    received += chunk.length;
    expectMore();
    options.onProgress?.(received, total);
  }
  return body.subarray(0, received);
}

/** Aborts its signal, with a reason, unless it is set again in time. */
class Deadline {
  readonly #controller = new AbortController();
  readonly #startTimer: StartTimer;
  #timer: ReturnType<StartTimer> | undefined;

  constructor(startTimer: StartTimer) {
    this.#startTimer = startTimer;
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  set(milliseconds: number, problem: string): void {
    this.cancel();
    this.#timer = this.#startTimer(milliseconds, () =>
      this.#controller.abort(new MirrorError(problem, { isTemporary: true })),
    );
  }

  cancel(): void {
    this.#timer?.cancel();
  }
}

function startTimer(milliseconds: number, expired: () => void): { readonly cancel: () => void } {
  const timer = setTimeout(expired, milliseconds);
  return { cancel: () => clearTimeout(timer) };
}

function problemOf(error: unknown): { readonly problem: string; readonly reason: string } {
  if (error instanceof MirrorError) return { problem: error.message, reason: error.reason };
  const { message, code = '' } = causeOf(error);
  return { problem: `failed: ${message}`, reason: REASONS[code] ?? message };
}

/** The proxy by which a URL was asked for; nothing if that can't be told, which then is the problem itself. */
function proxyText(url: string, env: NodeJS.ProcessEnv): string {
  try {
    return byProxy(url, env);
  } catch {
    return '';
  }
}

/** fetch's message is "fetch failed" or "terminated"; its causes have the reason. */
function causeOf(error: unknown): { readonly message: string; readonly code: string | undefined } {
  let innermost = error;
  while (innermost instanceof Error && innermost.cause !== undefined) innermost = innermost.cause;
  const { message, code } = innermost as { readonly message?: string; readonly code?: string };
  return { message: message || code || String(innermost), code };
}
