import { type ChildProcess, fork, spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import type { Done, Order } from './command-process.ts';

const PROCESS = fileURLToPath(new URL('./command-process.js', import.meta.url));
const CLI = fileURLToPath(new URL('../../../cli/main.js', import.meta.url));
/** Commands of one process. */
const MAX_COMMANDS = 40;
/** Far longer than any of the commands takes on a machine that others use too. */
const HANG_MS = 180_000;
const MARK = '\u0000end\n';

export interface Outcome {
  /** Undefined if it hung, or its process ended by a signal. */
  readonly code: number | undefined;
  readonly stdout: string;
  readonly stderr: string;
  readonly milliseconds: number;
  readonly mebibytes: number;
  readonly hung: boolean;
}

/** Runs commands in processes of their own or, to do more in the same time, many in one process. */
export class Commands {
  readonly #env: NodeJS.ProcessEnv;
  #child: ChildProcess | undefined;
  #count = 0;
  #output = { stdout: '', stderr: '' };

  constructor(env: NodeJS.ProcessEnv) {
    this.#env = env;
  }

  /** As the program does, but for its process. */
  async run(args: readonly string[], cwd: string): Promise<Outcome> {
    const start = performance.now();
    const child = this.#process();
    this.#output = { stdout: '', stderr: '' };
    const timer = setTimeout(() => child.kill('SIGKILL'), HANG_MS);
    child.send({ args, cwd, mark: MARK } satisfies Order);
    const result = await answerOf(child);
    clearTimeout(timer);
    if (result === undefined) this.#child = undefined;
    else await this.#whole(child);
    const milliseconds = performance.now() - start;
    const { stdout, stderr } = this.#output;
    return {
      code: result?.code ?? child.exitCode ?? undefined,
      stdout: stdout.replace(MARK, ''),
      stderr: stderr.replace(MARK, ''),
      milliseconds,
      mebibytes: result?.mebibytes ?? 0,
      hung: result === undefined && milliseconds >= HANG_MS,
    };
  }

  /** The program itself. @param onStderr called with all that it has written to stderr so far, and its process, whenever that grows */
  async runAlone(
    args: readonly string[],
    cwd: string,
    onStderr: (stderr: string, child: ChildProcess) => void = () => {},
  ): Promise<Outcome> {
    const start = performance.now();
    const child = spawn(process.execPath, [CLI, ...args], { cwd, env: this.#env, stdio: ['ignore', 'pipe', 'pipe'] });
    let [stdout, stderr] = ['', ''];
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      stdout += text;
    });
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      stderr += text;
      onStderr(stderr, child);
    });
    let hung = false;
    const timer = setTimeout(() => {
      hung = true;
      child.kill('SIGKILL');
    }, HANG_MS);
    const [code] = await once(child, 'close');
    clearTimeout(timer);
    return { code: code ?? undefined, stdout, stderr, milliseconds: performance.now() - start, mebibytes: 0, hung };
  }

  end(): void {
    this.#child?.disconnect();
    this.#child = undefined;
  }

  #process(): ChildProcess {
    if (this.#child !== undefined && this.#count++ < MAX_COMMANDS) return this.#child;
    this.end();
    this.#count = 1;
    const child = fork(PROCESS, { env: this.#env, stdio: ['ignore', 'pipe', 'pipe', 'ipc'] });
    for (const name of ['stdout', 'stderr'] as const) {
      child[name]?.setEncoding('utf8').on('data', (text: string) => {
        this.#output[name] += text;
        child.emit('output');
      });
    }
    this.#child = child;
    return child;
  }

  /** Waits until both outputs are here: they come by other ways than the result. */
  async #whole(child: ChildProcess): Promise<void> {
    const { stdout, stderr } = this.#output;
    if (stdout.endsWith(MARK) && stderr.endsWith(MARK)) return;
    await once(child, 'output');
    await this.#whole(child);
  }
}

/** @returns undefined if the process ended without one */
async function answerOf(child: ChildProcess): Promise<Done | undefined> {
  const listening = new AbortController();
  const { signal } = listening;
  const answer = await Promise.race([
    once(child, 'message', { signal }).then(([done]) => done as Done),
    once(child, 'exit', { signal }).then(() => undefined),
  ]);
  listening.abort();
  return answer;
}
