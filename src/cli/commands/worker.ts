// lockstep worker --connect ws://127.0.0.1:9465
// lockstep worker --connect wss://trainer.example:9465 --token-file token --threads 4
import { X509Certificate } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { startHttp } from '../../coordinator/observe/web/http.ts';
import type { WebServer } from '../../coordinator/observe/web/web-server.ts';
import { runNode } from '../../library/node.ts';
import { type NodeConfig, resolveNodeConfig } from '../../shared/config/config.ts';
import { DURATION_TEXT, Duration, secondsOf } from '../../shared/config/duration.ts';
import { passedOverText } from '../../shared/config/sources.ts';
import { UsageError } from '../../shared/util/errors.ts';
import { readToken, warnOfReaders } from '../../shared/util/token.ts';
import { StopSignals } from '../signals.ts';
import { openConsole } from '../terminal/console.ts';
import type { Terminal } from '../terminal/terminal.ts';
import { MAX_PORT, parsePort, parseWhole } from '../whole-number.ts';

/** `lockstep worker`: computes for a coordinator until its run ends. @returns the exit code */
export async function worker(flags: Readonly<Record<string, unknown>>): Promise<number> {
  const { connect, threads, tlsCa, data, keep, giveUpAfter, healthPort, healthHost, ...rest } = flags;
  const own = { connect, threads, tlsCa, data, keep, giveUpAfter, healthPort, healthHost };
  const config = resolveNodeConfig({ flags: rest, env: process.env });
  const terminal = openConsole(config, process.env);
  terminal.setContext({ node: hostname() });
  const passedOver = passedOverText(process.env);
  if (passedOver !== undefined) terminal.print(passedOver, { level: 'debug' });
  try {
    return await compute(own, config, terminal);
  } catch (error) {
    return terminal.printFailure(error);
  }
}

async function compute(
  flags: Readonly<Record<string, unknown>>,
  { kernel, tokenFile, onHangup }: NodeConfig,
  terminal: Terminal,
): Promise<number> {
  const url = urlOf(String(flags.connect));
  const threads = threadsOf(flags.threads);
  const giveUpAfter = giveUpOf(textOf(flags.giveUpAfter));
  await warnOfReaders([tokenFile], (line) => terminal.print(line, { level: 'warn' }));
  const token = await readToken({ file: tokenFile, env: process.env });
  const ca = await authorityOf(textOf(flags.tlsCa), url);
  let isJoined = false;
  const health = await startHealth(flags, () => isJoined);
  if (health !== undefined) terminal.print(`Health: ${health.url}/healthz and ${health.url}/readyz`);
  const signals = new StopSignals({ what: 'leaving' });
  signals.handle((line, level) => terminal.print(line, { level }), onHangup);
  try {
    const end = await runNode({
      url,
      token,
      ca,
      threads,
      kernel,
      name: hostname(),
      data: textOf(flags.data),
      env: process.env,
      keep: flags.keep === true,
      giveUpAfter,
      stop: signals.stop,
      onEvent: (event) => {
        if (event.kind === 'run') terminal.setContext({ run: event.name });
        else if (event.kind === 'joined') isJoined = event.isJoined;
        else terminal.print(event.message, { level: event.level });
      },
    });
    return end === 'finished' ? 0 : signals.exitCode;
  } finally {
    signals.release();
    await health?.close();
  }
}

/** What an engine asks whether the process lives, and whether it takes part in a run. */
async function startHealth(
  { healthPort, healthHost }: Readonly<Record<string, unknown>>,
  isReady: () => boolean,
): Promise<WebServer | undefined> {
  if (healthPort === undefined) {
    if (healthHost === undefined) return undefined;
    throw new UsageError('--health-host: expected --health-port beside it.');
  }
  const port = parsePort(String(healthPort));
  if (port === undefined)
    throw new UsageError(`--health-port: expected a whole number from 0 to ${MAX_PORT}, but got "${healthPort}".`);
  const advice = 'Give another one by --health-port, or another address by --health-host.';
  const host = textOf(healthHost);
  return startHttp({ ...(host && { host }), port, explicit: true, advice, isReady });
}

function urlOf(text: string): string {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url?.protocol !== 'ws:' && url?.protocol !== 'wss:') {
    throw new UsageError(`--connect: expected ws://HOST:PORT or wss://HOST:PORT, but got "${text}".`);
  }
  if (url.username !== '' || url.password !== '' || url.search !== '' || url.hash !== '') {
    throw new UsageError(
      '--connect: a URL must not contain a token. Put it into a file, and pass that by --token-file.',
    );
  }
  if (url.port === '0')
    throw new UsageError(`--connect ${text}: expected the port on which the coordinator listens, but got 0.`);
  return text;
}

function threadsOf(given: unknown): number | 'auto' {
  if (given === undefined || given === 'auto') return 'auto';
  const threads = parseWhole(String(given), 1, 1024);
  if (threads !== undefined) return threads;
  throw new UsageError(`--threads: expected auto or a whole number from 1 to 1024, but got "${given}".`);
}

function giveUpOf(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  if (Duration.safeParse(text).success) return secondsOf(text);
  throw new UsageError(`--give-up-after: expected ${DURATION_TEXT}, but got "${text}".`);
}

const CERTIFICATE = /-----BEGIN CERTIFICATE-----[^-]*-----END CERTIFICATE-----/g;

/** @throws UsageError if the file can't be read, or holds no certificate, for which Node.js would trust nobody without a word */
async function authorityOf(file: string | undefined, url: string): Promise<Buffer | undefined> {
  if (file === undefined) return undefined;
  const refuse = (problem: string, cause?: unknown): never => {
    throw new UsageError(`--tls-ca: ${file} ${problem}.`, { cause });
  };
  const bytes = await readFile(file).catch((error: Error) => refuse(`can't be read: ${error.message}`, error));
  const certificates = bytes.toString('latin1').match(CERTIFICATE) ?? [];
  if (certificates.length === 0) {
    refuse(
      'holds no certificate: expected a file in PEM form, with a block that begins with -----BEGIN CERTIFICATE-----',
    );
  }
  for (const [index, certificate] of certificates.entries()) {
    try {
      new X509Certificate(certificate);
    } catch (error) {
      refuse(
        `holds a certificate that is damaged (number ${index + 1} of ${certificates.length}): ${(error as Error).message}`,
        error,
      );
    }
  }
  if (new URL(url).protocol === 'ws:') refuse(`can't be of use for ${url}: expected wss://, since ws:// has no TLS`);
  return bytes;
}

function textOf(value: unknown): string | undefined {
  return value === undefined ? undefined : String(value);
}
