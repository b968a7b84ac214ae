import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { createReadStream, mkdirSync, statSync, writeFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { newToken, Token } from '#src/shared/util/token.js';
import { CERTIFICATE, PRIVATE_KEY } from '../support/certificate.ts';
import { DATA, lockstep, type Program, startLockstep } from '../support/program.ts';

const FLAGS = [
  'train',
  '--batch',
  '16',
  '--shard-size',
  '2',
  '--schedule',
  'constant',
  '--warmup',
  '0',
  '--evaluate-every',
  '100',
  '--checkpoint-every',
  '0',
  '--json',
  ...DATA,
];
/** More steps than any fuzzing takes: the run is stopped. */
const ENDLESS = 100_000_000;
const HANG_MS = 60_000;
const MINUTE_MS = 60_000;

/** A coordinator that trains with one honest node, both processes of their own. */
export class Target {
  readonly host: string;
  readonly port: number;
  readonly token: Token;
  readonly tls: boolean;
  readonly pagePort: number;
  readonly #folder: string;
  readonly #coordinator: Program;
  readonly #node: Program;

  private constructor(folder: string, { url, pagePort, token, coordinator, node }: Parts) {
    this.#folder = folder;
    this.#coordinator = coordinator;
    this.#node = node;
    this.token = token;
    const { hostname: host, port, protocol } = new URL(url);
    this.pagePort = pagePort;
    this.tls = protocol === 'wss:';
    this.host = host;
    this.port = Number(port);
  }

  /** Starts both in a new folder; resolves when the node computes. */
  static async start(folder: string, { tls }: { readonly tls: boolean }): Promise<Target> {
    mkdirSync(folder);
    const text = newToken();
    const write = (name: string, contents: string): string => {
      const file = join(folder, name);
      writeFileSync(file, contents, { mode: 0o600 });
      return file;
    };
    const token = ['--token-file', write('token', text)];
    const cert = write('cert.pem', CERTIFICATE);
    const encrypted = tls ? ['--tls-cert', cert, '--tls-key', write('key.pem', PRIVATE_KEY)] : [];
    const listen = ['--listen', '127.0.0.1:0', ...token, ...encrypted, '--workers', '0'];
    const run = ['--iterations', String(ENDLESS), '--out', join(folder, 'fuzzed')];
    const coordinator = startLockstep([...FLAGS, ...listen, ...run, '--metrics-port', '0']);
    const page = (await coordinator.said(/^Metrics: /)).split(' ').at(-1) as string;
    const url = (await coordinator.said(/^Nodes can connect/)).split(' ').at(-1) as string;
    const data = DATA.includes('synthetic') ? [] : DATA;
    const trust = tls ? ['--tls-ca', cert] : [];
    const node = startLockstep(['worker', '--connect', url, ...token, ...trust, '--threads', '1', ...data]);
    await node.said(/^Computing for/);
    return new Target(folder, { url, pagePort: Number(new URL(page).port), token: new Token(text), coordinator, node });
  }

  /** Resident memory of the coordinator in MiB. */
  get residentMebibytes(): number {
    const { stdout } = spawnSync('ps', ['-o', 'rss=', '-p', String(this.#coordinator.pid)], { encoding: 'utf8' });
    return Number(stdout) / 1024;
  }

  /** @throws Error if no step is done any more */
  async continues(): Promise<void> {
    const log = join(this.#folder, 'fuzzed', 'steps.jsonl');
    const before = statSync(log).size;
    const until = performance.now() + HANG_MS;
    while (statSync(log).size === before) {
      if (performance.now() > until) throw new Error('The run hangs: no step was done in a minute.');
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }

  /** Stops the run after its step, and does the same steps undisturbed. @throws AssertionError if anything differs */
  async compare(): Promise<Compared> {
    this.#coordinator.signal('SIGTERM');
    const { status, stdout, stderr } = await this.#coordinator.ended;
    assert.equal(status, 143, stderr.slice(-4000));
    const name = hostname().replaceAll(/[.]/g, '\\.');
    const honest = stderr.split('\n').filter((line) => new RegExp(`^Node ${name} (joined|is gone)`).test(line));
    assert.equal(honest.length, 1, `the honest node was disturbed: ${honest.join(' ')}`);
    assert.doesNotMatch(stderr, /[^\P{C}\n]/u, 'a node steers the terminal');
    this.#node.signal('SIGKILL');
    const { steps, weightsSha256 } = JSON.parse(stdout);
    const out = join(this.#folder, 'undisturbed');
    const alone = lockstep([
      ...FLAGS,
      '--metrics-port',
      'off',
      '--workers',
      '2',
      '--iterations',
      String(steps),
      '--out',
      out,
    ]);
    assert.equal(alone.status, 0, alone.stderr);
    assert.equal(JSON.parse(alone.stdout).weightsSha256, weightsSha256, `other bits after ${steps} steps`);
    const fuzzed = await logOf(join(this.#folder, 'fuzzed'));
    assert.equal(fuzzed.digest, (await logOf(out)).digest, 'a step had another loss or accuracy');
    return { steps, weightsSha256, rates: fuzzed.rates };
  }

  kill(): void {
    this.#node.signal('SIGKILL');
    this.#coordinator.signal('SIGKILL');
  }
}

interface Parts {
  readonly url: string;
  readonly pagePort: number;
  readonly token: Token;
  readonly coordinator: Program;
  readonly node: Program;
}

export interface Compared {
  readonly steps: number;
  readonly weightsSha256: string;
  /** Steps per second in each minute. */
  readonly rates: readonly number[];
}

/** The digest of what came of the samples of each step, and how many were done in each minute. */
async function logOf(run: string): Promise<{ readonly digest: string; readonly rates: readonly number[] }> {
  const hash = createHash('sha256');
  const times: number[] = [];
  for await (const line of createInterface({ input: createReadStream(join(run, 'steps.jsonl')) })) {
    const { step, loss, accuracy, timings } = JSON.parse(line);
    hash.update(`${step} ${loss} ${accuracy}\n`);
    times.push(timings.at);
  }
  const [first = 0, last = 0] = [times[0], times.at(-1)];
  const counts = new Array<number>(Math.floor((last - first) / MINUTE_MS) + 1).fill(0);
  for (const at of times) {
    const minute = Math.floor((at - first) / MINUTE_MS);
    counts[minute] = (counts[minute] as number) + 1;
  }
  const lengthOf = (minute: number): number => Math.max(1, Math.min(MINUTE_MS, last - first - minute * MINUTE_MS));
  return { digest: hash.digest('hex'), rates: counts.map((count, minute) => (1000 * count) / lengthOf(minute)) };
}
