import { connect, type Socket } from 'node:net';
import type { Fault } from './faults.ts';
import { Pipe } from './pipe.ts';

/** A node's connection to the coordinator, through the proxy. */
export class Connection {
  readonly #sockets: readonly [Socket, Socket];
  readonly #pipes: { readonly toNode: Pipe; readonly toCoordinator: Pipe };
  #isHole = false;

  constructor(node: Socket, port: number, onClose: () => void) {
    const coordinator = connect({ host: '127.0.0.1', port, allowHalfOpen: true });
    this.#sockets = [node, coordinator];
    const cut = { onCut: () => this.cut() };
    this.#pipes = {
      toNode: new Pipe(coordinator, node, cut),
      toCoordinator: new Pipe(node, coordinator, cut),
    };
    for (const socket of this.#sockets) {
      socket.setNoDelay(true);
      socket.on('error', () => {});
      socket.on('close', () => {
        // In a black hole the other side never hears of it; a good end was passed on behind the last bytes.
        if (!this.#isHole && !socket.readableEnded) this.cut();
        if (this.#sockets.every(({ closed }) => closed)) onClose();
      });
    }
  }

  /** Both sides have said that they speak WebSocket. */
  get isLive(): boolean {
    return !this.#isHole && this.#pipes.toNode.isUpgraded && this.#sockets.every(({ destroyed }) => !destroyed);
  }

  cut(): void {
    for (const socket of this.#sockets) socket.destroy();
  }

  inflict(fault: Fault, onHit: () => void): void {
    const { toNode, toCoordinator } = this.#pipes;
    switch (fault.kind) {
      case 'cut':
        this.cut();
        onHit();
        break;
      case 'halfOpen':
        this.#isHole = true;
        for (const pipe of [toNode, toCoordinator]) pipe.blackHole(onHit);
        if (fault.cutAfter !== undefined) setTimeout(() => this.cut(), fault.cutAfter);
        break;
      case 'delay':
        for (const pipe of [toNode, toCoordinator]) pipe.delay(fault.by, { during: fault.during, onHit });
        break;
      case 'slowReader':
        toNode.trickle(fault.during, onHit);
        break;
      case 'slowLink': {
        const { cutAfter: _, ...quality } = fault;
        toNode.slow(fault, onHit);
        toCoordinator.slow(quality, onHit);
        break;
      }
      default:
        this.#pipes[fault.direction].arm(fault, onHit);
    }
  }
}
