import type { DirectoryReport } from './directories/fuzz-directories.ts';
import type { Counts, Report } from './fuzz.ts';
import type { Compared } from './target.ts';

/** The figures of an attack on a coordinator that it survived. */
export function networkText({ kinds, memory, badMembers, repeated }: Report, compared: Compared): string[] {
  const sum = (what: (counts: Counts) => number): number =>
    [...kinds.values()].reduce((total, counts) => total + what(counts), 0);
  const byKind = [...kinds].sort(([a], [b]) => (a < b ? -1 : 1));
  const { rates, steps, weightsSha256 } = compared;
  return [
    ...byKind.map(([kind, counts]) => {
      const endings = [...counts.endings].sort(([, a], [, b]) => b - a).map(([ending, times]) => `${ending} ${times}`);
      return `  ${kind}: ${counts.frames} frames, ${counts.connections} connections: ${endings.join(', ')}`;
    }),
    `${sum(({ connections }) => connections)} connections, ${sum(({ frames }) => frames)} frames, crashes 0, hangs 0`,
    `${badMembers} members were given work and answered it badly`,
    `${repeated} connections were made again, because they ended without a reason`,
    `the coordinator's memory in MiB: before ${round(memory.before)}, most ${round(memory.most)}, after ${round(memory.after)}`,
    `the honest node's steps per second in each minute: ${rates.map(round).join(' ')}`,
    `after ${steps} steps the weights are those of an undisturbed run: ${weightsSha256}`,
  ];
}

/** The figures of the commands that were run on hostile run directories. */
export function directoryText(report: DirectoryReport): string[] {
  const { directories, commands, pairs, codes, findings, mostMebibytes, slowest } = report;
  const found = (kind: string): number => findings.filter((each) => each.kind === kind).length;
  const kinds = ['crash', 'hang', 'message', 'escape', 'written', 'connected', 'memory'] as const;
  return [
    ...[...codes].sort(([a], [b]) => (a < b ? -1 : 1)).map(([code, times]) => `  ${code}: ${times}`),
    `${directories} directories, ${commands} commands; ${pairs.fields} pairs of a field and a value, ` +
      `${pairs.files} of a file and what replaced it`,
    kinds.map((kind) => `${kind} ${found(kind)}`).join(', '),
    `a command's process took at most ${round(mostMebibytes)} MiB`,
    `the slowest took ${slowest.seconds.toFixed(1)} s: ${slowest.command} (${slowest.damage})`,
  ];
}

function round(value: number): string {
  return value.toFixed(0);
}
