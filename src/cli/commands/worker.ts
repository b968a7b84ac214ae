// lockstep worker --connect ws://127.0.0.1:9465
// lockstep worker --connect wss://trainer.example:9465 --token-file token --threads 4
import { randomInt, randomUUID } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { availableParallelism, hostname } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import { resolveConsoleConfig } from '../../shared/config/config.ts';
import { UsageError } from '../../shared/util/errors.ts';
import { readToken, TOKEN_VARIABLE } from '../../shared/util/token.ts';
import { closeCodes, retriesAfter } from '../../shared/wire/close-codes.ts';
import { NodeData } from '../../worker/node/data.ts';
import { type Ending, takePart } from '../../worker/node/session.ts';
import { openConsole } from '../console.ts';
import type { Entry } from '../log.ts';
import type { Terminal } from '../progress/terminal.ts';
import { stopOnSignals } from '../signals.ts';

const FAILED = 1;
/** Between two attempts to connect: the first pause, doubled each time up to the last. */
const FIRST_PAUSE_MS = 100;
const LAST_PAUSE_MS = 5000;

/** `lockstep worker`: computes for a coordinator until its run ends. @returns the exit code */
export async function worker(flags: Readonly<Record<string, unknown>>): Promise<number> {
  const { logLevel, logFormat, logFile, ...own } = flags;
  const terminal = openConsole(
    resolveConsoleConfig({ flags: { logLevel, logFormat, logFile }, env: process.env }),
    process.env,
  );
  terminal.setContext({ node: hostname() });
  try {
    return await compute(own, terminal);
  } catch (error) {
    return terminal.printFailure(error);
  }
}

async function compute(flags: Readonly<Record<string, unknown>>, terminal: Terminal): Promise<number> {
  const print = (line: string, entry?: Entry): void => terminal.print(line, entry);
  const url = urlOf(String(flags.connect));
  const threads = threadsOf(flags.threads);
  const token = await readToken({ file: textOf(flags.tokenFile), env: process.env });
  const ca = await authorityOf(textOf(flags.tlsCa));
  const data = new NodeData({ flag: textOf(flags.data), env: process.env, threads, print });
  const stop = stopOnSignals(print, 'leaving');
  const node = { url, token, ca, threads, identity: randomUUID(), name: hostname(), leave: stop.signal };
  let pause = FIRST_PAUSE_MS;
  try {
    while (!stop.signal.aborted) {
      const ending = await takePart({
        ...node,
        prepare: (welcome, received) => {
          terminal.setContext({ run: welcome.run });
          return data.prepare(welcome, received);
        },
        onReady: () => {
          pause = FIRST_PAUSE_MS;
          print(`Computing for ${url} with ${threads} thread${threads === 1 ? '' : 's'}.`);
        },
      }).catch((error: Error): Ending => ({ code: 1006, reason: error.message, finished: false }));
      if (stop.signal.aborted) break;
      if (ending.finished && flags.keep !== true) {
        print('The run is over.');
        return 0;
      }
      if (!ending.finished && !retriesAfter(ending.code)) {
        const reason = ending.reason.replace(/\.$/, '');
        const hint = ending.code === closeCodes.unauthorized.code ? ` ${TOKEN_HINT}` : '';
        print(`The coordinator closed the connection: ${reason} (${ending.code}).${hint}`, { level: 'error' });
        return FAILED;
      }
      if (pause === FIRST_PAUSE_MS) {
        print(`No connection to ${url} (${ending.reason || ending.code}); trying on.`, { level: 'warn' });
      }
      await sleep(pause / 2 + randomInt(Math.ceil(pause / 2)), undefined, { signal: stop.signal }).catch(() => {});
      pause = Math.min(LAST_PAUSE_MS, 2 * pause);
    }
    return stop.exitCode;
  } finally {
    stop.release();
    await data.close();
  }
}

const TOKEN_HINT = `Give the token of that run by --token-file FILE or $${TOKEN_VARIABLE}.`;

function urlOf(text: string): string {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url?.protocol !== 'ws:' && url?.protocol !== 'wss:') {
    throw new UsageError(`--connect: expected ws://HOST:PORT or wss://HOST:PORT, but got "${text}".`);
  }
  if (url.username !== '' || url.password !== '' || url.search !== '') {
    throw new UsageError('--connect: a token belongs into a file (--token-file), never into the URL.');
  }
  return text;
}

function threadsOf(given: unknown): number {
  if (given === undefined || given === 'auto') return availableParallelism();
  const threads = Number(given);
  if (/^\d+$/.test(String(given)) && threads >= 1 && threads <= 1024) return threads;
  throw new UsageError(`--threads: expected auto or a whole number from 1 to 1024, but got "${given}".`);
}

async function authorityOf(file: string | undefined): Promise<Buffer | undefined> {
  if (file === undefined) return undefined;
  try {
    return await readFile(file);
  } catch (error) {
    throw new UsageError(`--tls-ca: ${file} can't be read: ${(error as Error).message}.`, { cause: error });
  }
}

function textOf(value: unknown): string | undefined {
  return value === undefined ? undefined : String(value);
}
