// Programs run for the set-up, so that none of them outlives it.
import { spawn } from 'node:child_process';

const running = new Set();
let stopped = false;

/** Runs a program with its output on stderr; its children die with it. @throws Error where it fails or takes too long */
export function run(program, args, { env = process.env, cwd, seconds = 1800 } = {}) {
  if (stopped) return Promise.reject(new Error('The set-up was stopped.'));
  return new Promise((resolve, reject) => {
    // A group of its own: npm dies on a signal and leaves its children behind.
    const child = spawn(program, args, { env, cwd, stdio: ['ignore', 2, 2], detached: true });
    running.add(child);
    const timer = setTimeout(() => stop(child), 1000 * seconds);
    const settled = (error) => {
      clearTimeout(timer);
      running.delete(child);
      if (error === undefined) resolve();
      else reject(error);
    };
    child.once('error', (error) => settled(new Error(`${program} can't be run: ${error.message}.`)));
    child.once('exit', (code, signal) =>
      settled(code === 0 ? undefined : new Error(`${program} failed (${signal ?? code}).`)),
    );
  });
}

/** Ends what runs and lets nothing more begin. */
export function stopAll() {
  stopped = true;
  for (const child of running) stop(child);
}

function stop({ pid }) {
  try {
    if (pid !== undefined) process.kill(-pid, 'SIGKILL');
  } catch (error) {
    if (error.code !== 'ESRCH') throw error;
  }
}
