import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync } from 'node:fs';
import { join } from 'node:path';

/** Processes that run until they are stopped, each with a file for what it prints. */
export class Daemons {
  readonly #logs: string;
  readonly #inside: readonly string[];
  readonly #processes = new Map<string, ChildProcess>();

  /** @param inside a command that runs what is behind it in the same process, such as in another network namespace */
  constructor(logs: string, inside: readonly string[]) {
    this.#logs = logs;
    this.#inside = inside;
  }

  prefix(commandLine: readonly string[]): string[] {
    return [...this.#inside, ...commandLine];
  }

  start(name: string, commandLine: readonly string[]): void {
    const [command, ...args] = this.prefix(commandLine);
    const log = openSync(join(this.#logs, `${name}.log`), 'a');
    const daemon = spawn(command as string, args, { stdio: ['ignore', log, log] });
    closeSync(log);
    this.#processes.set(name, daemon);
  }

  kill(name: string): void {
    this.#processes.get(name)?.kill('SIGKILL');
  }

  /** Kills them all, the youngest first. */
  async stop(): Promise<void> {
    for (const daemon of [...this.#processes.values()].reverse()) {
      if (daemon.pid === undefined || daemon.exitCode !== null || daemon.signalCode !== null) continue;
      const closed = once(daemon, 'close');
      daemon.kill('SIGKILL');
      await closed;
    }
  }
}
