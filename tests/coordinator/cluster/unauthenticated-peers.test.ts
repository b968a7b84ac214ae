// Connections that prove nothing: how many there may be, and for how long.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { request } from 'node:http';
import { connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { WebSocket } from 'ws';
import { closeCodes } from '#src/shared/wire/close-codes.js';
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
  it('are told to try again later beyond 64 connections, and dropped beyond 128', async () => {
    const unauthenticatedPeers = await Promise.all(Array.from({ length: 64 }, silent));
    assert.deepEqual(new Set(unauthenticatedPeers.map(({ code }) => code)), new Set([undefined]));
    assert.equal((await silent()).code, closeCodes.tooMany.code);
    const idle: Socket[] = [];
    for (let i = 0; i < 100; i++) idle.push(connect(Number(url.port), url.hostname).on('error', () => {}));
    await Promise.any(idle.map((socket) => once(socket, 'close')));
    for (const { socket } of unauthenticatedPeers) socket.terminate();
    for (const socket of idle) socket.destroy();
    let last = await silent();
    while (last.code !== undefined) last = await silent();
    last.socket.terminate();
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
