import pRetry, { AbortError } from 'p-retry';
import { UsageError } from '../../../shared/util/errors.ts';
import { statusMayPass } from '../../../shared/util/may-pass.ts';
import type { Print } from '../../../shared/util/notice.ts';
import { proxiedFetch } from '../../../shared/util/proxy.ts';
import { runShellCommand } from '../../../shared/util/shell-command.ts';
import type { Summary } from '../../run/summary.ts';
import { NoAnswerError } from '../remote-write/answers.ts';

/** Milliseconds that a command may take. */
const COMMAND_MS = 30_000;
/** Milliseconds to wait for an answer, and before the first of the retries; each further wait is twice as long. */
const ANSWER_MS = 10_000;
const RETRY_MS = 1000;
const RETRIES = 2;
/** Notifications that wait for those before them; more are dropped. */
const MAX_WAITING = 20;

/** What somebody is told of. */
export type NotificationEvent =
  | 'finished'
  | 'stopped'
  | 'failed'
  | 'stalled'
  | 'going-on'
  | 'disk-failing'
  | 'disk-writable'
  | 'signal';

/** What is sent, as JSON. */
export interface Notification {
  readonly event: NotificationEvent;
  /** All of it as a sentence. */
  readonly text: string;
  /** When it happened, in ISO 8601. */
  readonly at: string;
  readonly host: string;
  readonly pid: number;
  /** The run's name; absent until it is open. */
  readonly run?: string | undefined;
  /** The run directory. */
  readonly directory?: string | undefined;
  /** Updates done. */
  readonly step: number;
  readonly iterations: number;
  readonly signal?: string | undefined;
  readonly error?: { readonly code: string; readonly message: string; readonly exitCode: number };
  /** Seconds without a step. */
  readonly seconds?: number;
  /** The summary, as `lockstep train --json` prints it. */
  readonly result?: Summary;
}

type Target =
  | { readonly command: string }
  | { readonly url: string; readonly headers: Readonly<Record<string, string>>; readonly place: string };

export interface NotifierOptions {
  /** A command for the shell or a URL, as --notify names it. */
  readonly target: string;
  /** Where a command runs (default: here). */
  readonly cwd?: string | undefined;
  readonly env: NodeJS.ProcessEnv;
  readonly print: Print;
  /** Milliseconds before the first retry (default: 1000). */
  readonly retry?: number;
}

/** Sends notifications one after the other, to a command's stdin or by POST. Never throws: what fails is a warning. */
export class Notifier {
  readonly #options: NotifierOptions;
  readonly #target: Target;
  readonly #stop = new AbortController();
  #waiting = 0;
  #last: Promise<void> = Promise.resolve();

  /** @throws UsageError, which doesn't show the target, if it can't be used */
  constructor(options: NotifierOptions) {
    this.#options = options;
    this.#target = targetOf(options.target);
  }

  send(notification: Notification): void {
    if (this.#waiting >= MAX_WAITING) {
      this.#failed(notification, new Error('too many wait'));
      return;
    }
    this.#waiting++;
    this.#last = this.#last
      .then(() => this.#deliver(notification))
      .catch((error: Error) => this.#failed(notification, error))
      .finally(() => {
        this.#waiting--;
      });
  }

  /** Resolves when all were sent or given up; after so many milliseconds, they are given up. */
  async finish(ms: number): Promise<void> {
    const timer = setTimeout(() => this.#stop.abort(), ms);
    await this.#last;
    clearTimeout(timer);
  }

  async #deliver(notification: Notification): Promise<void> {
    if (this.#stop.signal.aborted) throw new Error('there was no time left for it');
    const text = `${JSON.stringify(notification)}\n`;
    if ('command' in this.#target) {
      const { cwd, env } = this.#options;
      const limits = { limit: COMMAND_MS, stop: this.#stop.signal };
      return runShellCommand(this.#target.command, { input: text, cwd, env, ...limits });
    }
    const { retry = RETRY_MS } = this.#options;
    await pRetry(() => this.#post(text), {
      ...{ retries: RETRIES, factor: 2, minTimeout: retry, signal: this.#stop.signal },
    });
  }

  /** @throws AbortError if trying again is of no use */
  async #post(text: string): Promise<void> {
    const { url, headers } = this.#target as Exclude<Target, { command: string }>;
    const signal = AbortSignal.any([this.#stop.signal, AbortSignal.timeout(ANSWER_MS)]);
    const init = { method: 'POST', headers, body: Buffer.from(text), redirect: 'manual', signal } as const;
    let response: Response;
    try {
      response = await proxiedFetch(url, init, this.#options.env);
    } catch (error) {
      throw new NoAnswerError(error);
    }
    await response.body?.cancel().catch(() => {});
    if (response.ok) return;
    const error = new Error(`it answers ${response.status}`);
    throw statusMayPass(response.status) ? error : new AbortError(error);
  }

  #failed({ event }: Notification, { message }: Error): void {
    const whom = 'place' in this.#target ? this.#target.place : 'the command of --notify';
    this.#options.print(`Notifying ${whom} of "${event}" FAILED: ${message}.`, 'warn');
  }
}

/** @throws UsageError without the text, any part of which may be a secret */
function targetOf(text: string): Target {
  if (!/^\s*[a-z][a-z\d+.-]*:\/\//i.test(text)) return { command: text };
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url?.protocol !== 'http:' && url?.protocol !== 'https:') {
    throw new UsageError(
      '--notify: expected a URL with http or https, such as https://ntfy.sh/TOPIC, or a command, but got another URL, ' +
        "which isn't shown because it may hold a secret.",
    );
  }
  const { username, password } = url;
  const credentials = [username, password].map(decodeURIComponent).join(':');
  const basic = { authorization: `Basic ${Buffer.from(credentials).toString('base64')}` };
  const place = url.origin;
  url.username = '';
  url.password = '';
  const headers = { 'content-type': 'application/json', ...(credentials === ':' ? {} : basic) };
  return { url: url.href, headers, place };
}
