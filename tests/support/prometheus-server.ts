import assert from 'node:assert/strict';
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** For tests of a real Prometheus: false, or why they are skipped. */
export const skip =
  process.env.CI === 'true' || ['prometheus', 'promtool'].every((name) => spawnSync(name, ['--version']).status === 0)
    ? false
    : "prometheus and promtool, of Debian's package prometheus, are not installed";

/** It is up within a second, but not on a machine that is busy. */
const READY_MS = 60_000;
const STOP_MS = 20_000;
const OUTPUT_CHARACTERS = 1 << 20;

export interface PrometheusOptions {
  /** The text of prometheus.yaml (default: nothing is scraped). */
  readonly config?: string;
  /** Where its data lies; not removed at the end (default: a new folder, which is). */
  readonly data?: string;
  /** Of 127.0.0.1 (default: any free one). */
  readonly port?: number;
  readonly args?: readonly string[];
}

/** A series as the query API gives it. */
export interface Series {
  readonly metric: Readonly<Record<string, string>>;
  /** Unix seconds, and the value as text: of an instant vector. */
  readonly value?: readonly [number, string];
  /** Of a range. */
  readonly values?: readonly (readonly [number, string])[];
}

/** A real Prometheus with its remote write receiver on, on loopback. */
export interface Prometheus {
  /** Without a path, as http://127.0.0.1:9090 */
  readonly url: string;
  readonly pid: number;
  /** Where it takes samples. */
  readonly writeUrl: string;
  /** What it has said so far. */
  readonly output: string;
  /** Of an instant query. `time`: Unix seconds (default: now). @throws where the expression errs */
  query(expression: string, time?: number): Promise<readonly Series[]>;
  /** GET of a path of its API, such as /api/v1/targets: the answer's data. */
  get(path: string): Promise<unknown>;
  stop(): Promise<void>;
}

/** Starts one and waits until it answers; the caller stops it. */
export async function startPrometheus(options: PrometheusOptions = {}): Promise<Prometheus> {
  const folder = await mkdtemp(join(tmpdir(), 'lockstep-prometheus-'));
  const config = join(folder, 'prometheus.yaml');
  await writeFile(config, options.config ?? 'global: {}\n');
  const child = spawn(
    'prometheus',
    [
      `--config.file=${config}`,
      `--storage.tsdb.path=${options.data ?? join(folder, 'data')}`,
      `--web.listen-address=127.0.0.1:${options.port ?? 0}`,
      '--web.enable-remote-write-receiver',
      ...(options.args ?? []),
    ],
    { stdio: ['ignore', 'ignore', 'pipe'] },
  );
  const stop = async (): Promise<void> => {
    await stopChild(child);
    await rm(folder, { recursive: true, force: true });
  };
  const output = outputOf(child);
  try {
    // The log tells the port that it was given, so nobody else can have it.
    const [, address] = await said(child, output, /msg="Listening on" address=(\S+)/);
    await said(child, output, /Server is ready to receive web requests/);
    return serverAt(`http://${address}`, { pid: child.pid as number, output, stop });
  } catch (error) {
    await stop();
    throw error;
  }
}

function serverAt(
  url: string,
  { pid, output, stop }: { pid: number; output: () => string; stop: Prometheus['stop'] },
): Prometheus {
  const get = async (path: string): Promise<unknown> => {
    const answer = (await (await fetch(`${url}${path}`)).json()) as { status: string; data: unknown };
    assert.equal(answer.status, 'success', `${path}: ${JSON.stringify(answer)}`);
    return answer.data;
  };
  return {
    ...{ url, pid, get, stop, writeUrl: `${url}/api/v1/write` },
    get output() {
      return output();
    },
    query: async (expression, time) => {
      const at = time === undefined ? {} : { time: String(time) };
      const data = await get(`/api/v1/query?${new URLSearchParams({ query: expression, ...at })}`);
      return (data as { result: readonly Series[] }).result;
    },
  };
}

/** Collects stderr, its end where it is long, and emits `said` on the child with each part. */
function outputOf(child: ChildProcess): () => string {
  let output = '';
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    output = (output + text).slice(-OUTPUT_CHARACTERS);
    child.emit('said');
  });
  child.on('close', () => child.emit('said'));
  return () => output;
}

async function said(child: ChildProcess, output: () => string, pattern: RegExp): Promise<RegExpExecArray> {
  const signal = AbortSignal.timeout(READY_MS);
  for (;;) {
    const found = pattern.exec(output());
    if (found !== null) return found;
    const isThere = child.exitCode === null && child.signalCode === null;
    assert.ok(isThere, `prometheus ended without ${pattern}:\n${output()}`);
    await once(child, 'said', { signal });
  }
}

async function stopChild(child: ChildProcess): Promise<void> {
  if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) return;
  const ended = once(child, 'close');
  child.kill('SIGTERM');
  const timer = setTimeout(() => child.kill('SIGKILL'), STOP_MS);
  await ended;
  clearTimeout(timer);
}
