import type { Command } from 'commander';
import { addOptions, type Done, examples, type Flags } from './options.ts';

/** The commands that look at this machine. */
export function addMachineCommands(program: Command, done: Done): void {
  const bench = program.command('bench').description("measure this machine's training speed");
  bench.option('--backends', 'compare the kernel and native TensorFlow, instead of the other measurements');
  addOptions(bench, ['kernel', 'json']);
  bench
    .addHelpText(
      'after',
      examples(['lockstep bench', 'lockstep bench --json > bench.json', 'lockstep bench --backends']),
    )
    .action(async (flags: Flags) => {
      done(await (await import('../commands/bench.ts')).bench(flags));
    });

  const doctor = program.command('doctor').description('check whether training works here, with advice if it does not');
  addOptions(doctor, ['data', 'workers', 'backend', 'metricsPort', 'json']);
  doctor
    .addHelpText(
      'after',
      examples(['lockstep doctor', 'lockstep doctor --data path/to/mnist --workers 8', 'lockstep doctor --json']),
    )
    .action(async (flags: Flags) => {
      done(await (await import('../commands/doctor.ts')).doctor(flags));
    });
}
