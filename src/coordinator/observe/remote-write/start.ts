import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Registry } from 'prom-client';
import type { TrainConfig } from '../../../shared/config/config.ts';
import { editedText } from '../../../shared/util/edited-text.ts';
import { UsageError } from '../../../shared/util/errors.ts';
import type { Print } from '../../../shared/util/notice.ts';
import { proxyFor } from '../../../shared/util/proxy.ts';
import { Token } from '../../../shared/util/token.ts';
import { version } from '../../../shared/util/version.ts';
import { SEND_CURSOR, stepsFile } from '../../run/files.ts';
import { attemptOf, type Manifest } from '../../run/manifest.ts';
import { endWithin, partWith } from '../../run/step-parts.ts';
import { readSteps } from '../../run/step-reader.ts';
import type { StepRecord } from '../../train/observer.ts';
import type { Destination } from './delivery.ts';
import { registerRemoteWriteFamilies } from './metrics.ts';
import type { RemoteWriter } from './remote-writer.ts';
import type { Position } from './send-cursor.ts';

const TOKEN_VARIABLE = 'LOCKSTEP_REMOTE_WRITE_TOKEN';
/** About as many lines as the queue of steps holds. */
const MAX_REPLAY_BYTES = 1 << 26;
const TOKEN_SOURCES = `--remote-write-token-file FILE or ${TOKEN_VARIABLE}`;

/**
 * The receiver that --remote-write names; undefined: it wasn't given. Read before the run starts.
 * @throws UsageError, which shows neither token nor password, if the URL or the token can't be used
 */
export async function remoteWriteOf(
  { remoteWrite, remoteWriteTokenFile: file }: TrainConfig,
  env: NodeJS.ProcessEnv,
): Promise<Destination | undefined> {
  if (remoteWrite === undefined) return undefined;
  const { href: url } = urlOf(remoteWrite);
  refuseWrongProxy(url, env);
  if (file !== undefined) return { url, env, token: tokenOf(await textOf(file), `The token in ${file}`) };
  const text = env[TOKEN_VARIABLE];
  return text ? { url, env, token: tokenOf(text, `The token in ${TOKEN_VARIABLE}`) } : { url, env };
}

/** Starts to send a run's steps; undefined: there is no receiver. */
export async function startRemoteWrite(
  destination: Destination | undefined,
  { name, id, attempts }: Manifest,
  { run, registry, print }: { readonly run: string; readonly registry: Registry; readonly print: Print },
): Promise<RemoteWriter | undefined> {
  if (destination === undefined) return undefined;
  const [{ RemoteWriter }, { placeOf }, { SendCursor }] = await Promise.all([
    import('./remote-writer.ts'),
    import('./delivery.ts'),
    import('./send-cursor.ts'),
  ]);
  const place = placeOf(destination.url);
  print(`Every step goes to ${place} by remote write.`);
  const cursor = new SendCursor(join(run, SEND_CURSOR), place);
  const own = { run: name, id, attempt: attempts.length, cursor };
  const writer = new RemoteWriter({ ...destination, ...own, userAgent: `lockstep/${version()}`, onNotice: print });
  registerRemoteWriteFamilies(registry, writer);
  const since = await cursor.read();
  const from = attempts.at(-1)?.from ?? 0;
  // An earlier process was killed, or gave up at its end.
  if (since !== undefined && (since.attempt < attempts.length - 1 || since.answered < from)) {
    const log = await stepsAfter(stepsFile(run), sentBefore(since, attempts), print);
    await writer.replay(log, since, (step) => attemptOf(step, attempts));
  }
  return writer;
}

/** The last step before which nothing has to be sent: later attempts may have begun before the last answer. */
function sentBefore({ attempt, answered }: Position, attempts: Manifest['attempts']): number {
  return Math.min(answered, ...attempts.slice(attempt).map(({ from }) => from));
}

/** The lines of a log after a step, but of a long log the last ones only: the run waits for them. */
async function stepsAfter(log: string, step: number, print: Print): Promise<AsyncIterable<StepRecord>> {
  const [{ part }, wanted] = [await endWithin(log, MAX_REPLAY_BYTES), await partWith(log, step + 1)];
  if (wanted < part) {
    print('Remote write: the receiver lacks more steps than are sent again; the oldest are in the log only.', 'warn');
  }
  const isWanted = (line: string): boolean => Number(/^\{"step":(\d+),/.exec(line)?.[1] ?? step + 1) > step;
  return readSteps(log, { fromPart: Math.max(part, wanted), isWanted });
}

function urlOf(text: string): URL {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url?.protocol !== 'http:' && url?.protocol !== 'https:') {
    // What stands before an @ may be a password.
    const shown = text.includes('@') ? 'another text' : `"${text}"`;
    throw new UsageError(
      `--remote-write: expected a URL with http or https, such as http://127.0.0.1:9090/api/v1/write, but got ${shown}.`,
    );
  }
  if (url.username === '' && url.password === '') return url;
  throw new UsageError(
    '--remote-write: the URL holds a name or a password, which run.json and logs would show. Leave them out, and give the ' +
      `receiver's bearer token by ${TOKEN_SOURCES}.`,
  );
}

/** @throws UsageError if a variable names a proxy that can't be one */
function refuseWrongProxy(url: string, env: NodeJS.ProcessEnv): void {
  try {
    proxyFor(url, env);
  } catch (error) {
    throw new UsageError(`${(error as Error).message}. Correct it, or list the receiver's host in NO_PROXY.`, {
      cause: error,
    });
  }
}

async function textOf(file: string): Promise<string> {
  try {
    return editedText(await readFile(file));
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    throw new UsageError(
      `--remote-write-token-file: ${file} can't be read (${code ?? message}). Name a file with the token alone.`,
      {
        cause: error,
      },
    );
  }
}

function tokenOf(untrimmed: string, what: string): Token {
  const text = untrimmed.trim();
  if (/^[\x21-\x7e]+$/.test(text)) return new Token(text);
  throw new UsageError(
    `${what} can't be sent: expected one line of visible ASCII characters without spaces. Give the receiver's token by ${TOKEN_SOURCES}.`,
  );
}
