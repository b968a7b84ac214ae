import { Command, CommanderError } from 'commander';
import { version } from '../shared/util/version.ts';
import { addInspectionCommands } from './definitions/inspection.ts';
import { addMachineCommands } from './definitions/machine.ts';
import { type Done, examples } from './definitions/options.ts';
import { addReproductionCommands } from './definitions/reproduction.ts';
import { addRunCommands } from './definitions/runs.ts';
import { addTrainingCommands } from './definitions/training.ts';
import { takeJsonFile } from './json-file.ts';
import { refuseSwallowedFlags } from './npm-flags.ts';
import { print } from './print.ts';
import { reportFailure } from './terminal/failure.ts';

const BAD_USAGE = 2;

/**
 * Runs one command line.
 * @returns the exit code: 0 done, 1 failed, 2 bad usage, 3 diverged, 75 may work later, 129, 130 or 143 stopped by a signal after a checkpoint
 */
export async function runCli(args: readonly string[]): Promise<number> {
  let exitCode = 0;
  const program = createProgram((code) => {
    exitCode = code;
  });
  try {
    refuseSwallowedFlags(program, args[0], process.env);
    const json = takeJsonFile(args[0] === 'sweep' ? withoutDashes(args) : args, process.env);
    try {
      await program.parseAsync(withoutHelp(program, json.args), { from: 'user' });
    } finally {
      await json.close();
    }
    return exitCode;
  } catch (error) {
    return exitCodeOf(error);
  }
}

/** The commands with their options; parsing runs them. */
export function createProgram(done: Done): Command {
  const program = new Command('lockstep')
    .description('Trains neural networks data-parallel; any number of workers gives the same bits.')
    .version(version())
    .exitOverride()
    .showHelpAfterError('See --help.')
    .addHelpText(
      'after',
      examples(['lockstep doctor', 'lockstep train', 'lockstep evaluate', 'lockstep train --help']),
    );
  addTrainingCommands(program, done);
  addReproductionCommands(program, done);
  addInspectionCommands(program, done);
  addRunCommands(program, done);
  addMachineCommands(program, done);
  return program;
}

/** The name alone if help on a command is asked for that there isn't: commander answers that with the help of all commands. */
function withoutHelp({ commands }: Command, args: readonly string[]): readonly string[] {
  const name = args[0] === 'help' ? args[1] : args[0];
  if (name === undefined || name.startsWith('-') || name === 'help') return args;
  return commands.some((command) => command.name() === name) ? args : [name];
}

/** `sweep --seed 1..5 -- --iterations 100`: what follows `--` are options too, since a sweep has no arguments. */
function withoutDashes(args: readonly string[]): readonly string[] {
  const at = args.indexOf('--');
  return at < 0 ? args : args.toSpliced(at, 1);
}

function exitCodeOf(error: unknown): number {
  if (!(error instanceof CommanderError)) {
    return reportFailure(error, { debug: process.env.LOCKSTEP_DEBUG === '1', write: print });
  }
  // Help and the version come this way too, with 0; commander has already written its message.
  return error.exitCode === 0 ? 0 : BAD_USAGE;
}
