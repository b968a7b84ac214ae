import { byProxy, proxiedFetch } from '../util/proxy.ts';

/** What a mirror did instead of delivering; the message follows its name, as in "it answered 404". */
export class MirrorError extends Error {}

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
      throw new MirrorError(`answered ${response.status} ${response.statusText}`.trimEnd());
    }
    return await bodyOf(response, deadline, options);
  } catch (error) {
    throw new MirrorError(`${problemOf(error, deadline)}${proxyText(url, options.env)}`, { cause: error });
  } finally {
    deadline.cancel();
  }
}

async function bodyOf(response: Response, deadline: Deadline, options: DownloadOptions): Promise<Buffer> {
  const total = Number(response.headers.get('content-length')) || undefined;
  const chunks: Uint8Array[] = [];
  let received = 0;
  const expectMore = (): void =>
    deadline.set(STALL_MILLISECONDS, `stalled: nothing for ${STALL_MILLISECONDS / 1000} s after ${received} bytes`);
  expectMore();
  for await (const chunk of response.body ?? []) {
    received += chunk.length;
    if (received > options.limit) throw new MirrorError(`sent more than the ${options.limit} bytes allowed`);
    chunks.push(chunk);
    expectMore();
    options.onProgress?.(received, total);
  }
  return Buffer.concat(chunks);
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
    this.#timer = this.#startTimer(milliseconds, () => this.#controller.abort(new MirrorError(problem)));
  }

  cancel(): void {
    this.#timer?.cancel();
  }
}

function startTimer(milliseconds: number, expired: () => void): { readonly cancel: () => void } {
  const timer = setTimeout(expired, milliseconds);
  return { cancel: () => clearTimeout(timer) };
}

function problemOf(error: unknown, { signal }: Deadline): string {
  const known = signal.aborted ? signal.reason : error;
  return known instanceof MirrorError ? known.message : `failed: ${causeOf(error)}`;
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
function causeOf(error: unknown): string {
  let innermost = error;
  while (innermost instanceof Error && innermost.cause !== undefined) innermost = innermost.cause;
  const { message, code } = innermost as { readonly message?: string; readonly code?: string };
  return message || code || String(innermost);
}
