// Nodes join while one address keeps the port crowded, without and with TLS.
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { newToken, Token } from '#src/shared/util/token.js';
import { encode } from '#src/shared/wire/frames.js';
import { enter, hello } from '../../fuzz/member.ts';
import { framed, UPGRADE, Wire, type WireOptions } from '../../fuzz/wire.ts';
import { CERTIFICATE, PRIVATE_KEY } from '../../support/certificate.ts';
import { DATA, type Program, startLockstep } from '../../support/program.ts';

const folder = mkdtempSync(join(tmpdir(), 'lockstep-crowded-'));
after(() => rmSync(folder, { recursive: true }));

const HOSTILE = '127.0.0.2';
const IDLE = 200;
const TICK_MS = 20;
/** 500 in a second. */
const UPGRADES_PER_TICK = 10;
/** Connections of the attack before the first node connects, and before it ends: some seconds of it. */
const BEGUN = 1000;
const WHOLE = 4000;

/** Connections from one address: so many idle ones, each replaced when it is dropped, and upgrades that stay silent then. */
class Attack {
  opened = 0;
  isOn = true;
  readonly #options: WireOptions;
  readonly #idle = new Set<Wire>();
  readonly #timer: NodeJS.Timeout;

  constructor(options: WireOptions) {
    this.#options = { ...options, from: HOSTILE };
    this.#timer = setInterval(() => this.#tick(), TICK_MS);
  }

  end(): void {
    this.isOn = false;
    clearInterval(this.#timer);
    for (const wire of this.#idle) wire.finish();
  }

  async until(opened: number): Promise<void> {
    while (this.opened < opened) await new Promise((resolve) => setTimeout(resolve, TICK_MS));
  }

  #tick(): void {
    // No more than a fresh set of them in a second.
    const missing = Math.min(IDLE - this.#idle.size, this.opened < IDLE ? IDLE : (IDLE * TICK_MS) / 1000);
    for (let i = 0; i < missing; i++) {
      const wire = this.#open({ tls: false });
      this.#idle.add(wire);
      void wire.ended.then(() => this.#idle.delete(wire));
    }
    for (let i = 0; i < UPGRADES_PER_TICK; i++) this.#open({}).write(Buffer.from(UPGRADE));
  }

  #open(more: Partial<WireOptions>): Wire {
    this.opened++;
    return new Wire({ ...this.#options, ...more });
  }
}

for (const tls of [false, true]) {
  test(`nodes join a crowded port ${tls ? 'over TLS' : 'without TLS'}`, { timeout: 240_000 }, async (t) => {
    const text = newToken();
    const write = (name: string, contents: string): string => {
      const file = join(folder, name);
      writeFileSync(file, contents, { mode: 0o600 });
      return file;
    };
    const secure = tls ? ['--tls-cert', write('cert', CERTIFICATE), '--tls-key', write('key', PRIVATE_KEY)] : [];
    const listen = ['--listen', '127.0.0.1:0', '--workers', '0', '--metrics-port', 'off', ...secure];
    const run = startLockstep([
      'train',
      ...listen,
      '--token-file',
      write('token', text),
      '--out',
      join(folder, `run-${tls}`),
      ...DATA,
    ]);
    t.after(() => run.signal('SIGKILL'));
    const { hostname: host, port } = new URL((await run.said(/^Nodes can connect/)).split(' ').at(-1) as string);
    const options = { host, port: Number(port), tls };
    const attack = new Attack(options);
    t.after(() => attack.end());
    await attack.until(BEGUN);
    for (const [name, from] of [
      ['another address', '127.0.0.3'],
      ['the same address', HOSTILE],
    ] as const) {
      const start = performance.now();
      const tries = await joinFrom({ ...options, from }, new Token(text), { name: name.replace(' ', '-'), run });
      assert.ok(attack.isOn);
      t.diagnostic(`from ${name}: joined after ${Math.round(performance.now() - start)} ms, ${tries} connections`);
    }
    await attack.until(WHOLE);
    attack.end();
  });
}

/** Connects as a node does, again after each connection that is dropped, until it has joined. @returns the number of connections */
async function joinFrom(
  options: WireOptions,
  token: Token,
  { name, run }: { readonly name: string; readonly run: Program },
): Promise<number> {
  const joined = run.said(new RegExp(`^Node ${name} joined`));
  for (let tries = 1; ; tries++) {
    const wire = new Wire(options);
    const entered = await enter(wire, token);
    if (entered === undefined) continue;
    wire.write(framed(entered.seal.seal(hello(name))));
    if ((await wire.next()) === undefined) continue;
    wire.write(framed(entered.seal.seal(encode({ type: 'ready' }))));
    await joined;
    return tries;
  }
}
