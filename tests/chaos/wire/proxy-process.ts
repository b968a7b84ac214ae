import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import type { Command, Fault, Report, Where } from './faults.ts';

const PROXY = fileURLToPath(new URL('../proxy.js', import.meta.url));

/** The proxy (../proxy.ts), for whoever tells it what to do. */
export class ProxyProcess {
  readonly url: string;
  readonly #child: ChildProcess;
  #port: number | undefined;
  readonly #hits: (() => void)[] = [];
  readonly #done = new Map<number, () => void>();
  #held = 0;

  private constructor(child: ChildProcess, port: number) {
    this.#child = child;
    this.url = `ws://127.0.0.1:${port}`;
    child.on('message', (report: Report) => {
      if (report.type === 'hit') this.#hits[report.id]?.();
      if (report.type === 'held') this.#held++;
      if (report.type === 'done') this.#done.get(report.id)?.();
    });
  }

  /** Resolves when so many nodes are waiting for the proxy to be aimed. */
  async holds(nodes: number): Promise<void> {
    while (this.#held < nodes) await once(this.#child, 'message');
  }

  static async start(): Promise<ProxyProcess> {
    const child = fork(PROXY, { execArgv: [] });
    const [report] = (await once(child, 'message')) as [Report];
    if (report.type !== 'listening') throw new Error(`Expected the proxy's port, but it said ${report.type}.`);
    return new ProxyProcess(child, report.port);
  }

  get pid(): number {
    return this.#child.pid as number;
  }

  /** Where it forwards to; undefined: nowhere. */
  get port(): number | undefined {
    return this.#port;
  }

  /** Forwards to this port from now on. */
  aim(port: number): void {
    this.#port = port;
    this.#tell({ type: 'aim', port, id: this.#idOf(() => {}) });
  }

  /** Cuts all connections and refuses new ones, until it is aimed again. */
  close(onHit: () => void = () => {}): void {
    this.#port = undefined;
    this.#tell({ type: 'aim', port: undefined, id: this.#idOf(onHit) });
  }

  /** Resolves when the fault is ready; `onHit` is called at most once, when it has really happened to a connection. */
  async inflict(fault: Fault, where: Where, onHit: () => void): Promise<void> {
    const id = this.#idOf(onHit);
    this.#tell({ type: 'inflict', id, where, fault });
    await new Promise<void>((resolve) => this.#done.set(id, resolve));
  }

  async stop(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    this.#child.kill('SIGKILL');
    await once(this.#child, 'exit');
  }

  #idOf(onHit: () => void): number {
    return this.#hits.push(onHit) - 1;
  }

  #tell(command: Command): void {
    if (this.#child.connected) this.#child.send(command);
  }
}
