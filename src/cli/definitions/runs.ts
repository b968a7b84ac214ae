import type { Command } from 'commander';
import { addOptions, type Done, examples, type Flags, RUN_TEXT } from './options.ts';

/** The commands that list, compare, show and export runs. */
export function addRunCommands(program: Command, done: Done): void {
  addRuns(program, done);
  addDashboard(program, done);
  addDiff(program, done);
  addMetrics(program, done);
}

function addRuns(program: Command, done: Done): void {
  const runs = program.command('runs').description('list the runs of a folder, tag or note some, or delete some');
  runs.argument('[folder]', 'folder of run directories (default: runs/)');
  runs
    .option('--tagged <tags>', 'list the runs that have this tag, or all of several with commas')
    .option('--tag <tag-and-runs...>', 'give a tag, or several with commas, to the runs that follow, by name or latest')
    .option('--untag <tag-and-runs...>', 'take it from them')
    .option('--note <text-and-runs...>', 'note a line for the runs that follow; an empty text removes theirs')
    .option(
      '--remove <names...>',
      'delete these runs, by name or latest; every word that follows is one, so put the folder first',
    );
  addOptions(runs, ['json']);
  runs
    .addHelpText(
      'after',
      examples([
        'lockstep runs',
        'lockstep runs elsewhere --json',
        'lockstep runs --tag baseline first second',
        'lockstep runs --note "learns slowly at first" first',
        'lockstep runs --tagged baseline',
        'lockstep runs --remove first second',
      ]),
    )
    .action(async (folder: string | undefined, flags: Flags) => {
      done(await (await import('../commands/runs.ts')).runs(folder, flags));
    });
}

function addDashboard(program: Command, done: Done): void {
  const dashboard = program
    .command('dashboard')
    .description('serve the page of all runs of a folder, or of some, from their files');
  dashboard.argument('[runs...]', `each ${RUN_TEXT}, or a folder of runs (default: runs/)`);
  addOptions(dashboard, ['metricsPort', 'metricsHost', 'metricsTokenFile', 'plaintext']);
  dashboard
    .addHelpText(
      'after',
      examples([
        'lockstep dashboard',
        'lockstep dashboard latest',
        'lockstep dashboard runs/first runs/second',
        'lockstep dashboard runs/first --metrics-port 8000',
      ]),
    )
    .action(async (runs: readonly string[], flags: Flags) => {
      done(await (await import('../commands/dashboard.ts')).dashboard(runs, flags));
    });
}

function addDiff(program: Command, done: Done): void {
  const diff = program.command('diff').description('print the first step at which two runs differ, and why');
  diff.argument('<run>', RUN_TEXT).argument('<other>', 'another one');
  addOptions(diff, ['json']);
  diff
    .addHelpText(
      'after',
      examples(['lockstep diff runs/first runs/second', 'lockstep diff runs/first runs/second --json']),
    )
    .action(async (run: string, other: string, flags: Flags) => {
      done(await (await import('../commands/diff.ts')).diff([run, other], flags));
    });
}

function addMetrics(program: Command, done: Done): void {
  const metrics = program.command('metrics').description('print every step of a run as time series for Prometheus');
  metrics
    .argument('[run]', `${RUN_TEXT} (default: latest)`)
    .option('--openmetrics', 'as OpenMetrics text, for promtool tsdb create-blocks-from openmetrics')
    .option('--out <file>', 'file to write (default: stdout)')
    .addHelpText(
      'after',
      examples([
        'lockstep metrics runs/first --openmetrics --out first.om',
        'promtool tsdb create-blocks-from openmetrics first.om prometheus-data/',
      ]),
    )
    .action(async (run: string | undefined, flags: Flags) => {
      done(await (await import('../commands/metrics.ts')).metrics(run, flags));
    });
}
