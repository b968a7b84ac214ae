import { type ChildProcess, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import type { Readable, Writable } from 'node:stream';
import { BackendError } from '#src/shared/util/errors.js';
import { type Job, type Measured, UnavailableError } from './trainer.ts';

/** How a program is told to train; protocol.py has the same names. */
export interface ProcessOptions {
  readonly command: readonly [program: string, ...args: string[]];
  readonly env?: NodeJS.ProcessEnv;
  readonly threads: number;
  /** Of a batch that processes share: which one this is, of how many, and the file by which they meet. */
  readonly rank?: number;
  readonly processes?: number;
  readonly meetingPoint?: string;
}

/** What is asked for a setting; benchmarks/peers/protocol.py says what each means. */
export type Question = { readonly setting: string } & ({ readonly losses: number } | { readonly steps: number });

export interface Answer extends Measured {
  readonly versions: Readonly<Record<string, string>>;
  readonly losses: readonly number[];
  readonly error?: string;
}

/** A program that trains in a process of its own. */
export class PeerProcess {
  readonly #name: string;
  readonly #child: ChildProcess & { readonly stdin: Writable; readonly stdout: Readable };
  readonly #lines: AsyncIterator<string>;
  readonly #ended: Promise<unknown>;
  readonly versions: Promise<Answer['versions']>;

  constructor(job: Job, { command: [program, ...args], env, ...options }: ProcessOptions) {
    this.#name = program;
    this.#child = spawn(program, args, { stdio: ['pipe', 'pipe', 'inherit'], env: { ...process.env, ...env } });
    // If it has ended, it has printed why.
    this.#child.stdin.on('error', () => {});
    this.#ended = new Promise((resolve) => this.#child.once('close', resolve).once('error', resolve));
    this.#lines = createInterface({ input: this.#child.stdout })[Symbol.asyncIterator]();
    for (const part of messageOf(job, options)) this.#child.stdin.write(part);
    this.versions = this.#answer().then(({ versions }) => versions);
    // It is awaited later.
    this.versions.catch(() => {});
  }

  /** @throws UnavailableError if it can't do that */
  async ask(question: Question): Promise<Answer> {
    await this.versions;
    this.#child.stdin.write(`${JSON.stringify(question)}\n`);
    const answer = await this.#answer();
    if (answer.error !== undefined) throw new UnavailableError(answer.error);
    return answer;
  }

  async close(): Promise<void> {
    this.#child.stdin.end();
    await this.#ended;
  }

  async #answer(): Promise<Answer> {
    const { value, done } = await this.#lines.next();
    if (done) throw new BackendError(`The program ${this.#name} has ended; it has printed why.`);
    return JSON.parse(value) as Answer;
  }
}

/** The job's line and its bytes. */
function messageOf({ layout, train, batch, learningRate, weights }: Job, options: object): (string | Uint8Array)[] {
  const layers = layout.layers.map(({ spec, inputs: [shape] }) => ({ ...spec, shape }));
  // State, such as running statistics, follows what is trained.
  const tensors = layout.tensors
    .filter(({ offset }) => offset < layout.trainable)
    .map(({ name, shape }) => ({ name, shape }));
  const defaults = { rank: 0, processes: 1 };
  const head = {
    ...layout.input,
    spec: layout.spec,
    layers,
    tensors,
    count: train.count,
    batch,
    learningRate,
    ...defaults,
    ...options,
  };
  return [
    `${JSON.stringify(head)}\n`,
    ...[train.inputs, train.targets, weights.subarray(0, layout.trainable)].map(
      ({ buffer, byteOffset, byteLength }) => new Uint8Array(buffer, byteOffset, byteLength),
    ),
  ];
}
