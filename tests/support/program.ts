import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';

const CLI = fileURLToPath(new URL('../../cli/main.js', import.meta.url));
const { PATH, HOME, MNIST_DIR } = process.env;
// Without what npm and the caller's shell set for the tests themselves. A resumed run finds the digits by MNIST_DIR.
const env = {
  PATH,
  HOME,
  // Data sets that tests train on aren't kept among the user's.
  XDG_CACHE_HOME: join(tmpdir(), 'lockstep-tests-cache'),
  LOCKSTEP_LOG_FORMAT: 'text',
  ...(MNIST_DIR ? { MNIST_DIR } : {}),
};

/** The real digits where they are at hand. */
export const DATA: readonly string[] = MNIST_DIR ? ['--data', MNIST_DIR] : ['--data', 'synthetic'];
/** The same for nodes, which receive a set that has no files. */
export const DATA_OF_NODE: readonly string[] = MNIST_DIR ? DATA : [];

/** Small steps of which nothing else matters. */
export const SMALL: readonly string[] =
  '--data synthetic --workers 1 --batch 8 --evaluate-every 0 --metrics-port off'.split(' ');

export interface Ended {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs the program to its end. */
export function lockstep(
  args: readonly string[],
  { more = {}, ...options }: { readonly cwd?: string; readonly more?: NodeJS.ProcessEnv } = {},
): Ended {
  const { status, stdout, stderr } = spawnSync(process.execPath, [CLI, ...args], {
    encoding: 'utf8',
    env: { ...env, ...more },
    ...options,
  });
  return { status, stdout, stderr };
}

/** A program that runs beside the test. */
export interface Program {
  readonly pid: number;
  /** Resolves with the first line on stderr that matches, those before the call included. @throws where it ends without */
  said(pattern: RegExp): Promise<string>;
  /** @returns whether it was still there */
  signal(name: NodeJS.Signals): boolean;
  readonly ended: Promise<Ended>;
}

/** `inside`: a command that runs what is behind it in the same process, such as in another network namespace. */
export function startLockstep(
  args: readonly string[],
  more: NodeJS.ProcessEnv = {},
  inside: readonly string[] = [],
): Program {
  return startProgram([...inside, process.execPath, CLI, ...args], { env: { ...env, ...more } });
}

export function startProgram(
  commandLine: readonly string[],
  options: { readonly env: NodeJS.ProcessEnv; readonly cwd?: string },
): Program {
  const [command, ...args] = commandLine as [string, ...string[]];
  const child = spawn(command, args, { ...options, stdio: ['ignore', 'pipe', 'pipe'] });
  let stderr = '';
  child.stderr.setEncoding('utf8').on('data', (chunk: string) => {
    stderr += chunk;
    child.emit('said');
  });
  const ended = Promise.all([text(child.stdout), once(child, 'close')]).then(([stdout, [code]]) => {
    child.emit('said');
    return { status: code as number | null, stdout, stderr };
  });
  return {
    pid: child.pid as number,
    said: async (pattern) => {
      for (;;) {
        const line = stderr.split('\n').find((each) => pattern.test(each));
        if (line !== undefined) return line;
        assert.ok(child.exitCode === null && child.signalCode === null, `it ended without ${pattern}:\n${stderr}`);
        await once(child, 'said');
      }
    },
    signal: (name) => child.kill(name),
    ended,
  };
}

/** The lines of steps.jsonl without timings. */
export function stepsOf(run: string): Record<string, unknown>[] {
  const lines = readFileSync(join(run, 'steps.jsonl'), 'utf8').trimEnd().split('\n');
  return lines.map((line) => {
    const { timings: _, ...record } = JSON.parse(line);
    return record;
  });
}

export function manifestOf(run: string): Record<string, unknown> & { digests: Record<string, string> } {
  return JSON.parse(readFileSync(join(run, 'run.json'), 'utf8'));
}
