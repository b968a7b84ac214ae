import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createWriteStream } from 'node:fs';
import { finished } from 'node:stream/promises';
import { setTimeout as pause } from 'node:timers/promises';
import { flagOf } from '../../shared/config/schema.ts';
import { TEMPORARY } from '../../shared/util/errors.ts';
import type { SweptRun } from './grid.ts';

/** Until a run is tried again that another process holds, or that fails by something that may pass. */
const TRY_AGAIN_MS = 10_000;

export interface SweepOptions {
  /** Runs at the same time, at least 1. */
  readonly jobs: number;
  /** The program's script, for Node. */
  readonly script: string;
  readonly env: NodeJS.ProcessEnv;
  /** Ends the runs, each with a checkpoint. */
  readonly stop: AbortSignal;
  readonly onStart: (run: SweptRun) => void;
  readonly onEnd: (run: SweptRun, exitCode: number) => Promise<void>;
}

/** The exit code of a process that SIGKILL ended, as shells have it. */
export const KILLED = 137;

/** The file with what a run prints, beside its directory. */
export function logOf(run: string): string {
  return `${run}.log`;
}

/** Trains the runs in processes of their own, each from where it was. @returns the exit codes of those that were begun */
export async function trainAll(runs: readonly SweptRun[], options: SweepOptions): Promise<Map<SweptRun, number>> {
  const codes = new Map<SweptRun, number>();
  const waiting = [...runs];
  const work = async (): Promise<void> => {
    for (let run = waiting.shift(); run !== undefined && !options.stop.aborted; run = waiting.shift()) {
      options.onStart(run);
      const code = await trainOne(run, options);
      codes.set(run, code);
      await options.onEnd(run, code);
    }
  };
  await Promise.all(Array.from({ length: options.jobs }, work));
  return codes;
}

async function trainOne(run: SweptRun, options: SweepOptions): Promise<number> {
  for (;;) {
    const code = await train(run, options);
    if (code !== TEMPORARY || options.stop.aborted) return code;
    await pause(TRY_AGAIN_MS, undefined, { signal: options.stop }).catch(() => {});
  }
}

/** @returns the exit code; of one that a signal ended, as shells have it */
async function train({ path, flags }: SweptRun, { script, env, stop }: SweepOptions): Promise<number> {
  const words = Object.entries(flags).flatMap(([key, value]) => {
    return value === true ? [flagOf(key)] : [`${flagOf(key)}=${value}`];
  });
  const log = createWriteStream(logOf(path), { flags: 'a' });
  const child = spawn(process.execPath, [script, 'train', ...words, '--resume=auto', `--out=${path}`], {
    env: { ...env, LOCKSTEP_LOG_FORMAT: 'text' },
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  child.stderr.pipe(log);
  const end = (): boolean => child.kill('SIGTERM');
  stop.addEventListener('abort', end);
  if (stop.aborted) end();
  try {
    const [code, signal] = await once(child, 'close');
    await finished(log.end());
    return code ?? (signal === 'SIGKILL' ? KILLED : 1);
  } finally {
    stop.removeEventListener('abort', end);
  }
}
