import { execFileSync } from 'node:child_process';
import type { Place } from './session.ts';

/** A network namespace behind a veth pair that is shaped to `rate` in both directions, such as 1gbit. Linux, root. */
export class ShapedNamespace {
  readonly address = '10.231.7.1';
  readonly place: Place;
  readonly #name = `lockstep-${process.pid}`;
  /** After a failure too. */
  readonly #onExit = (): void => this.remove();

  /** @param burst what may pass at once after a pause, such as 32kb */
  constructor(rate: string, burst = '256kb') {
    const [name, host, guest] = [this.#name, `ls${process.pid}a`, `ls${process.pid}b`];
    this.place = ['ip', 'netns', 'exec', name];
    run('ip', 'netns', 'add', name);
    process.once('exit', this.#onExit);
    run('ip', 'link', 'add', host, 'type', 'veth', 'peer', 'name', guest, 'netns', name);
    run('ip', 'addr', 'add', `${this.address}/24`, 'dev', host);
    run('ip', 'link', 'set', host, 'up');
    run(...this.#inside('ip', 'addr', 'add', '10.231.7.2/24', 'dev', guest));
    run(...this.#inside('ip', 'link', 'set', guest, 'up'));
    const shape = ['root', 'tbf', 'rate', rate, 'burst', burst, 'latency', '50ms'];
    run('tc', 'qdisc', 'add', 'dev', host, ...shape);
    run(...this.#inside('tc', 'qdisc', 'add', 'dev', guest, ...shape));
  }

  /** The pair goes with it. */
  remove(): void {
    process.off('exit', this.#onExit);
    run('ip', 'netns', 'del', this.#name);
  }

  #inside(...command: readonly string[]): [string, ...string[]] {
    return [...this.place, ...command] as [string, ...string[]];
  }
}

function run(command: string, ...args: readonly string[]): void {
  execFileSync(command, args, { stdio: ['ignore', 'ignore', 'inherit'] });
}
