import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { type AddressInfo, createServer, Socket } from 'node:net';
import type { Place } from './session.ts';

/** Connects, reads so many bytes, then sends as many. */
const PEER = `
const [host, port, bytes] = process.argv.slice(1);
let left = Number(bytes);
const socket = require('node:net').connect(Number(port), host);
socket.on('data', ({ length }) => {
  left -= length;
  if (left === 0) socket.end(Buffer.alloc(Number(bytes)));
});`;

/** Bytes a second of one TCP connection from here to a place, and back: the mean of both directions. */
export async function linkBytesPerSecond(address: string, place: Place, bytes: number): Promise<number> {
  const server = createServer();
  server.listen(0, address);
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const command = [...place, process.execPath, '-e', PEER, address, String(port), String(bytes)];
  const peer = spawn(command[0] as string, command.slice(1), { stdio: ['ignore', 'ignore', 'inherit'] });
  const exited = once(peer, 'exit');
  try {
    const [socket] = (await Promise.race([once(server, 'connection'), exited])) as [Socket | number];
    if (!(socket instanceof Socket)) throw new Error('Nothing could connect over the link.');
    const begin = performance.now();
    let left = bytes;
    socket.write(Buffer.alloc(bytes));
    for await (const chunk of socket) left -= (chunk as Buffer).length;
    if (left !== 0) throw new Error(`Expected ${bytes} bytes back, but ${left} are missing.`);
    return (2 * bytes * 1000) / (performance.now() - begin);
  } finally {
    peer.kill('SIGKILL');
    await exited;
    server.close();
  }
}
