import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { Screen } from './screen.ts';

const script = fileURLToPath(new URL('../../../../tests/support/terminal/pseudo-terminal.py', import.meta.url));

/** For tests in a real terminal: false, or why they are skipped. */
export const skip =
  process.env.CI === 'true' || spawnSync('python3', ['--version']).status === 0
    ? false
    : 'python3, which opens pseudo-terminals for the tests, is not installed';

/** A text to wait for in the output, and what to do then. */
export type Cue = readonly [text: string, action: { readonly columns: number } | { readonly type: string } | 'close'];

export interface InTerminalOptions {
  readonly columns: number;
  readonly cues?: readonly Cue[];
  readonly env?: NodeJS.ProcessEnv;
  readonly cwd?: string;
  /** A command that runs what is behind it. Default: Node itself. */
  readonly inside?: readonly string[];
}

/** Runs Node in a pseudo-terminal; `screen` is what is left to see, `output` every byte that was written. */
export async function inTerminal(
  args: readonly string[],
  { columns, cues = [], env = {}, cwd, inside = [process.execPath] }: InTerminalOptions,
): Promise<{ exitCode: number | null; output: string; screen: Screen }> {
  const child = spawn('python3', [script, String(columns), JSON.stringify(cues), ...inside, ...args], {
    cwd,
    env: { PATH: process.env.PATH, HOME: process.env.HOME, TERM: 'xterm-256color', ...env },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const chunks: Buffer[] = [];
  child.stdout.on('data', (chunk: Buffer) => chunks.push(chunk));
  const [exitCode] = (await once(child, 'close')) as [number | null];
  const output = Buffer.concat(chunks).toString();
  const screen = new Screen(columns);
  screen.write(output);
  return { exitCode, output, screen };
}
