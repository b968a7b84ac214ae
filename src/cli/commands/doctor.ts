// lockstep doctor            checks whether training works on this machine, and prints what to do if not
import { CAPACITY } from '../../library/capacity.ts';
import { resolveTrainConfig } from '../../shared/config/config.ts';
import { cacheFolder } from '../../shared/data/data-folder.ts';
import { commandLine } from '../../shared/util/command-line.ts';
import { callerPath } from '../../shared/util/paths.ts';
import type { Check } from '../doctor/check.ts';
import { checkKernel } from '../doctor/kernel.ts';
import { checkMemory, checkNode, checkProcessor } from '../doctor/machine.ts';
import { checkData, checkFolder, checkPort } from '../doctor/surroundings.ts';
import { checkTfjs } from '../doctor/tfjs.ts';
import { checkCapacity, checkWorkers } from '../doctor/workers.ts';
import { printJson, printLines } from '../print.ts';

/** @returns the exit code: 1 if training would not work */
export async function doctor(flags: Record<string, unknown>): Promise<number> {
  const { env } = process;
  const resolved = resolveTrainConfig({ flags, env }, CAPACITY);
  const { config, explicit } = resolved;
  const checks = [
    checkNode(process.versions.node),
    checkProcessor(),
    checkMemory(),
    checkKernel(),
    await checkTfjs(config.backend),
    checkCapacity(config),
    await checkWorkers(config),
    await checkData(resolved, env),
    await checkFolder(callerPath('runs', env), {
      name: 'run directories',
      status: 'problem',
      advice: 'Start from a folder that you can write to, or name a run directory elsewhere by --out.',
    }),
    await checkFolder(cacheFolder(env), {
      name: 'cache',
      status: 'note',
      advice: 'It is where a data set can be kept for all runs. Set XDG_CACHE_HOME to move it, or do without.',
    }),
    await checkPort(config.metricsPort, explicit.has('metricsPort')),
  ];
  const ok = checks.every(({ status }) => status !== 'problem');
  if (config.json) printJson({ ok, checks });
  else printLines(report(checks, process.stdout.columns));
  return ok ? 0 : 1;
}

/** @param columns the terminal's width; undefined if lines need not be broken */
function report(checks: readonly Check[], columns = Number.POSITIVE_INFINITY): string[] {
  const width = Math.max(...checks.map(({ name }) => name.length));
  const margin = 'problem'.length + width + 4;
  const lines = checks.flatMap(({ name, status, found, advice = '' }) => {
    const [first = '', ...rest] = [found, advice].flatMap((text) => broken(text, columns - margin));
    const title = `${status.padEnd('problem'.length)}  ${name.padEnd(width)}  ${first}`;
    return [title, ...rest.map((line) => ' '.repeat(margin) + line)];
  });
  const problems = checks.filter(({ status }) => status === 'problem').length;
  const end =
    problems === 0
      ? `Training works here. Next: ${commandLine('train', process.env)}`
      : `Training doesn't work here yet: ${problems === 1 ? 'one problem' : `${problems} problems`} to fix, see above.`;
  return [...lines, '', end];
}

/**
 * Breaks a text into lines.
 * @param columns the maximum length of a line that has more than one word
 * @returns the lines; none for an empty text
 */
function broken(text: string, columns: number): string[] {
  const lines: string[] = [];
  for (const word of text.split(' ')) {
    const line = lines.at(-1);
    if (line === undefined || line.length + 1 + word.length > columns) lines.push(word);
    else lines[lines.length - 1] = `${line} ${word}`;
  }
  return text === '' ? [] : lines;
}
