// Connections that prove nothing: how many there may be, and for how long.
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { request } from 'node:http';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { WebSocket } from 'ws';
import { closeCodes } from '#src/shared/wire/close-codes.js';
import { encode } from '#src/shared/wire/frames.js';
import { NodeHandshake } from '#src/shared/wire/handshake.js';
import { framed, UPGRADE, Wire } from '../../fuzz/wire.ts';
import { bareHub, helloTo } from '../../support/bare-hub.ts';
import { DATA, type Program, startLockstep } from '../../support/program.ts';

const folder = mkdtempSync(join(tmpdir(), 'lockstep-unauthenticated-'));
after(() => rmSync(folder, { recursive: true }));

/** A coordinator that waits for nodes. */
let run: Program;
let url: URL;
before(async () => {
  const flags = ['--workers', '0', '--listen', '127.0.0.1:0', '--metrics-port', 'off', '--out', join(folder, 'run')];
  run = startLockstep(['train', ...flags, ...DATA]);
  url = new URL((await run.said(/^Nodes can connect/)).split(' ').at(-1) as string);
});
after(() => run.signal('SIGKILL'));

/** Connects, reads the challenge and sends nothing. @returns the close code, if there was no challenge */
async function silent(): Promise<{ readonly socket: WebSocket; readonly code: number | undefined }> {
  const socket = new WebSocket(url, { perMessageDeflate: false });
  socket.on('error', () => {});
  const code = await new Promise<number | undefined>((resolve) => {
    socket.once('message', () => resolve(undefined));
    socket.once('close', resolve);
  });
  return { socket, code };
}

describe('unauthenticated peers', () => {
  it('do not keep nodes out, whatever one address opens', { timeout: 60_000 }, async (t) => {
    const { hub, events } = await bareHub(t);
    const { hostname: host, port: digits } = new URL(hub.url);
    const [port, hostile] = [Number(digits), '127.0.0.2'];
    const wires: Wire[] = [];
    const wireFrom = (from: string): Wire => {
      const wire = new Wire({ host, port, from });
      wires.push(wire);
      return wire;
    };
    t.after(() => {
      for (const wire of wires) wire.finish();
    });
    /** A node's whole way in. */
    const join = async (from: string): Promise<void> => {
      const wire = wireFrom(from);
      wire.write(Buffer.from(UPGRADE));
      const challenge = await wire.next();
      assert.ok(challenge, `${from} was dropped`);
      const handshake = new NodeHandshake({ token: undefined, exporter: undefined, sealed: false });
      wire.write(framed(handshake.prove(challenge)));
      handshake.finish((await wire.next()) ?? assert.fail(`${from} was dropped in its handshake`));
      const joined = once(events, 'join');
      wire.write(framed(encode(helloTo(randomUUID(), 1))), framed(encode({ type: 'ready' })));
      await joined;
    };
    const idle = Array.from({ length: 200 }, () => wireFrom(hostile));
    await Promise.any(idle.map(({ ended }) => ended));
    const upgrades = Array.from({ length: 400 }, () => wireFrom(hostile));
    for (const wire of upgrades) wire.write(Buffer.from(UPGRADE));
    await Promise.any(upgrades.map(({ ended }) => ended));
    for (const address of ['127.0.0.3', hostile]) await join(address);
    assert.ok((hub.counts.rejected.get('tooMany') ?? 0) > 200);
  });

  it('are closed after five seconds, with the code of the timeout', async () => {
    const { socket } = await silent();
    assert.equal((await once(socket, 'close'))[0], closeCodes.timeout.code);
  });

  it('are told what is spoken here if they speak plain HTTP', async () => {
    const [response] = await once(request({ host: url.hostname, port: url.port }).end(), 'response');
    assert.equal(response.statusCode, 426);
    response.resume();
  });

  it('that are silent do not delay the end of a run', { timeout: 300_000 }, async (t) => {
    const flags = ['--workers', '1', '--listen', '127.0.0.1:0', '--metrics-port', 'off', '--iterations', '1000000'];
    const other = startLockstep(['train', ...flags, ...DATA, '--out', join(folder, 'other')]);
    t.after(() => other.signal('SIGKILL'));
    const { port, hostname } = new URL((await other.said(/^Nodes can connect/)).split(' ').at(-1) as string);
    const unauthenticatedPeer = connect(Number(port), hostname);
    await once(unauthenticatedPeer, 'connect');
    other.signal('SIGTERM');
    await once(unauthenticatedPeer, 'close');
    assert.equal((await other.ended).status, 143);
  });
});
