// lockstep worker --connect ws://127.0.0.1:9465
// lockstep worker --connect wss://trainer.example:9465 --token-file token --threads 4
import { hostname } from 'node:os';
import { startHttp } from '../../coordinator/observe/web/http.ts';
import type { WebServer } from '../../coordinator/observe/web/web-server.ts';
import { runNode } from '../../library/node.ts';
import { nodeThreads, nodeUrl, secondsToGiveUp, trustedCertificates } from '../../library/node-options.ts';
import { type NodeConfig, resolveNodeConfig } from '../../shared/config/config.ts';
import { passedOverText } from '../../shared/config/sources.ts';
import { UsageError } from '../../shared/util/errors.ts';
import { readToken, warnOfReaders } from '../../shared/util/token.ts';
import { StopSignals } from '../signals.ts';
import { openConsole } from '../terminal/console.ts';
import type { Terminal } from '../terminal/terminal.ts';
import { MAX_PORT, parsePort } from '../whole-number.ts';

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
  const url = nodeUrl(String(flags.connect));
  const threads = nodeThreads(flags.threads);
  const giveUpAfter = secondsToGiveUp(textOf(flags.giveUpAfter));
  await warnOfReaders([tokenFile], (line) => terminal.print(line, { level: 'warn' }));
  const token = await readToken({ file: tokenFile, env: process.env });
  const ca = await trustedCertificates(textOf(flags.tlsCa), url);
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

function textOf(value: unknown): string | undefined {
  return value === undefined ? undefined : String(value);
}
