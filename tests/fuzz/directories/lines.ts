// The commands that read a run, and what none of them may do.
import { lstatSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { CONTROL } from '../../support/control-characters.ts';
import { idx } from '../../support/made-set.ts';
import type { Case } from './case.ts';
import type { Outcome } from './commands.ts';
import { MARKUP } from './values.ts';

/** What a command may take; reading MNIST takes some of it. */
const MAX_MEBIBYTES = 1500;
/** A set of one image. */
const IMAGE = idx([1, 28, 28], 1);
const MISTAKE = /Unexpected failure|\b(Type|Range|Reference|Syntax|Assertion)Error\b|^ +at .*:\d+:\d+\)?$/m;

export interface Finding {
  readonly kind: 'crash' | 'hang' | 'message' | 'escape' | 'written' | 'connected' | 'memory';
  readonly damage: string;
  readonly command: string;
  readonly what: string;
}

/** Each command that reads a run, the ones first that change nothing. @param isServed with the commands that serve a page */
export function commandLines(
  { run, other, out, folder }: Case,
  { data, isServed }: { readonly data: readonly string[]; readonly isServed: boolean },
): string[][] {
  const to = (name: string): string => join(out, name);
  writeFileSync(to('image'), IMAGE);
  const served = [
    ['dashboard', run, other, '--metrics-port', '0'],
    ['draw', '--run', run, '--port', '0'],
  ];
  return [
    ['runs', join(folder, 'runs')],
    ['runs', join(folder, 'runs'), '--json'],
    ['diff', run, other],
    ['diff', other, run, '--json'],
    ['metrics', run, '--openmetrics', '--out', to('run.om')],
    ['metrics', run, '--openmetrics'],
    ['report', other, run, '--out', to('both.html')],
    ['report', run],
    ['evaluate', run],
    ['verify', run, '--workers', '1'],
    ['reproduce', run, '--workers', '1', '--steps', '3'],
    ['receipt', run, '--out', to('receipt')],
    ['export', run, '--format', 'onnx', '--out', to('run.onnx')],
    ['export', run, '--format', 'tfjs', '--out', to('tfjs')],
    ['predict', to('image'), '--index', '0', '--run', run, '--layers', to('layers')],
    [
      'train',
      '--init',
      run,
      '--iterations',
      '1',
      '--batch',
      '8',
      '--metrics-port',
      'off',
      '--out',
      to('begun'),
      ...data,
    ],
    ['train', '--resume', run, '--iterations', '23', '--metrics-port', 'off', '--log-format', 'text'],
    ['train', '--resume', run, '--iterations', '25', '--metrics-port', 'off', '--force-unlock', '--tensorboard'],
    ...(isServed ? served : []),
    ['runs', join(folder, 'runs'), '--remove', 'run'],
  ];
}

/** Asks a server that a command has started for its page, then stops it. */
export function visitThenStop(stderr: string, child: { kill(signal: NodeJS.Signals): boolean }): void {
  const url = /http:\/\/127\.0\.0\.1:\d+\//.exec(stderr)?.[0];
  if (url === undefined || !stderr.trimEnd().endsWith('(Ctrl-C ends it)')) return;
  void fetch(url)
    .then((response) => response.text())
    .catch(() => {})
    .finally(() => child.kill('SIGTERM'));
}

/** What is wrong with how a command ended. */
export function problemsOf({ code, hung, stdout, stderr, mebibytes }: Outcome, { out, run }: Case) {
  const problems: [Finding['kind'], string][] = [];
  const mistake = MISTAKE.exec(stderr) ?? MISTAKE.exec(stdout);
  if (hung) problems.push(['hang', stderr]);
  else if (code === undefined || ![0, 1, 2, 3, 75].includes(code)) problems.push(['crash', `${code} ${stderr}`]);
  if (mistake !== null) problems.push(['message', stderr]);
  if (CONTROL.test(stderr) || CONTROL.test(stdout)) problems.push(['escape', JSON.stringify(stderr + stdout)]);
  if (/Nodes can connect/.test(stderr)) problems.push(['connected', stderr]);
  if (mebibytes > MAX_MEBIBYTES) problems.push(['memory', `${Math.round(mebibytes)} MiB`]);
  for (const page of [join(out, 'both.html'), join(run, 'report.html')]) {
    if (isOwnFile(page) && readFileSync(page).includes(MARKUP)) problems.push(['escape', page]);
  }
  return problems;
}

function isOwnFile(path: string): boolean {
  const found = lstatSync(path, { throwIfNoEntry: false });
  return found?.isFile() === true && found.size < 1e8;
}
