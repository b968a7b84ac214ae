import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';

const PROGRAM = fileURLToPath(new URL('./pool-program.js', import.meta.url));
/** Far beyond what a start takes on a busy machine. */
const DEADLINE_MS = 120_000;

export interface FailedStart {
  readonly start: number;
  readonly reason: string;
}

/**
 * Starts a pool of four tfjs workers that many times, each in a process of its own, one after the other.
 * @param told of each start that is over, with the seconds that it took
 */
export async function failedStarts(
  starts: number,
  told: (start: number, reason: string | undefined, seconds: number) => void = () => {},
): Promise<FailedStart[]> {
  const failed: FailedStart[] = [];
  let expected: string | undefined;
  for (let start = 1; start <= starts; start++) {
    const begin = performance.now();
    const { reason, said } = await once();
    expected ??= said;
    const fault = reason ?? (said === expected ? undefined : `other bits: ${said}, not ${expected}`);
    if (fault !== undefined) failed.push({ start, reason: fault });
    told(start, fault, (performance.now() - begin) / 1000);
  }
  return failed;
}

function once(): Promise<{ readonly reason: string | undefined; readonly said: string }> {
  return new Promise((resolve) => {
    execFile(process.execPath, [PROGRAM], { timeout: DEADLINE_MS, killSignal: 'SIGKILL' }, (error, stdout, stderr) => {
      const end = error?.killed ? `hung for ${DEADLINE_MS / 1000} s` : (error?.signal ?? error?.code);
      resolve({ reason: error === null ? undefined : `${end}: ${stderr.trim()}`, said: stdout.trim() });
    });
  });
}
