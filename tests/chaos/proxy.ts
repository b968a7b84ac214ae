// A TCP proxy between nodes and their coordinator that breaks what passes: a process of its own, told what to do over Node's IPC
// (wire/faults.ts). Unlike others it knows WebSocket frames: it repeats, reorders, truncates and alters single ones.
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { Connection } from './wire/connection.ts';
import type { Command, Fault, Report, Where } from './wire/faults.ts';

interface Order {
  readonly where: Where;
  readonly fault: Fault;
  readonly onHit: () => void;
}

/** In the order in which they came. */
const connections = new Set<Connection>();
/** For connections that have still to come: the next one, and each. */
const waiting: Order[] = [];
const standing: Order[] = [];
/** Those who came before the first target. */
let held: Socket[] | undefined = [];
let target: number | undefined;
let onRefused = (): void => {};

function report(message: Report): void {
  process.send?.(message);
}

function accept(node: Socket): void {
  if (held !== undefined) {
    node.on('error', () => {});
    held.push(node);
    report({ type: 'held' });
    return;
  }
  if (target === undefined) {
    onRefused();
    node.on('error', () => {});
    node.resetAndDestroy();
    return;
  }
  const connection: Connection = new Connection(node, target, () => connections.delete(connection));
  connections.add(connection);
  for (const { fault, onHit } of [...standing, ...waiting.splice(0)]) connection.inflict(fault, onHit);
}

function aim(port: number | undefined, onHit: () => void): void {
  target = port;
  onRefused = onHit;
  const early = held ?? [];
  held = undefined;
  for (const node of early) accept(node);
  if (port !== undefined) return;
  if (connections.size > 0) onHit();
  for (const connection of connections) connection.cut();
}

function inflict({ where, fault, onHit }: Order): void {
  const live = [...connections].filter(({ isLive }) => isLive);
  if (where === 'every') standing.push({ where, fault, onHit });
  if (where === 'every') for (const connection of live) connection.inflict(fault, onHit);
  else if (where === 'next' || live.length === 0) waiting.push({ where, fault, onHit });
  else if (where === 'all') for (const connection of live) connection.inflict(fault, onHit);
  else live[where % live.length]?.inflict(fault, onHit);
}

process.on('message', (command: Command) => {
  let isHit = false;
  const onHit = (): void => {
    if (!isHit) report({ type: 'hit', id: command.id });
    isHit = true;
  };
  if (command.type === 'aim') aim(command.port, onHit);
  else inflict({ ...command, onHit });
  report({ type: 'done', id: command.id });
});
process.on('disconnect', () => process.exit());

const server = createServer({ allowHalfOpen: true }, accept).listen(0, '127.0.0.1', () => {
  report({ type: 'listening', port: (server.address() as AddressInfo).port });
});
