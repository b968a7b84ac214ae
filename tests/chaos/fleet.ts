import { type Program, startLockstep } from '../support/program.ts';

/** Fewer than these, and one who left is replaced too. */
const FEWEST = 2;
const MAX_NODES = 6;

interface Node {
  readonly program: Program;
  isLeaving: boolean;
  wake: NodeJS.Timeout | undefined;
}

/** The node processes of a run, kept up by a supervisor: whoever dies is replaced, whoever leaves where too few are left. */
export class Fleet {
  /** All that ever were. */
  readonly programs: Program[] = [];
  /** Those that gave up by themselves, by what they said last. */
  readonly surrenders: string[] = [];
  readonly #flags: readonly string[];
  readonly #env: NodeJS.ProcessEnv;
  readonly #nodes = new Set<Node>();
  #isOver = false;

  constructor(flags: readonly string[], env: NodeJS.ProcessEnv) {
    this.#flags = flags;
    this.#env = env;
  }

  /** @returns whether there was room for another one */
  join(): boolean {
    if (this.#nodes.size >= MAX_NODES) return false;
    const program = startLockstep(['worker', '--threads', '1', ...this.#flags], this.#env);
    const node: Node = { program, isLeaving: false, wake: undefined };
    this.programs.push(program);
    this.#nodes.add(node);
    void program.ended.then(({ status, stderr }) => {
      clearTimeout(node.wake);
      this.#nodes.delete(node);
      if (status === 1) this.surrenders.push(stderr.trimEnd().split('\n').at(-1) ?? '');
      // Status 0: the coordinator said that the run is over.
      if (!this.#isOver && status !== 0 && (!node.isLeaving || this.#nodes.size < FEWEST)) this.join();
    });
    return true;
  }

  /** @returns whether a node is there that isn't about to leave */
  leave(which: number): boolean {
    const node = this.#pick(which);
    if (node === undefined) return false;
    node.isLeaving = true;
    node.program.signal('SIGTERM');
    return true;
  }

  kill(which: number): boolean {
    return this.#pick(which)?.program.signal('SIGKILL') ?? false;
  }

  /** For some milliseconds. */
  stop(which: number, during: number): boolean {
    const node = this.#pick(which);
    if (node === undefined) return false;
    node.program.signal('SIGSTOP');
    clearTimeout(node.wake);
    node.wake = setTimeout(() => node.program.signal('SIGCONT'), during);
    return true;
  }

  /** The run is over: those who didn't hear it are asked to leave. @returns their exit codes */
  async end(): Promise<(number | null)[]> {
    this.#isOver = true;
    const left = [...this.#nodes].map(({ program }) => program);
    for (const program of left) {
      program.signal('SIGCONT');
      program.signal('SIGTERM');
    }
    return Promise.all(left.map(async ({ ended }) => (await ended).status));
  }

  #pick(which: number): Node | undefined {
    const there = [...this.#nodes].filter(({ isLeaving }) => !isLeaving);
    return there[which % there.length];
  }
}
