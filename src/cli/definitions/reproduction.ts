import type { Command } from 'commander';
import { READING_KEYS } from '../../shared/data/source.ts';
import { addOptions, type Done, examples, type Flags, RUN_TEXT } from './options.ts';

/** The commands by which somebody else gets the same bits. Each is loaded when it runs. */
export function addReproductionCommands(program: Command, done: Done): void {
  addReproduce(program, done);
  addReceipt(program, done);
}

function addReproduce(program: Command, done: Done): void {
  const reproduce = program
    .command('reproduce')
    .description('train a run or a receipt again, and compare everything; exit code 1 if anything differs');
  reproduce.argument('[run]', `${RUN_TEXT}; or the file of a receipt (default: latest)`);
  addOptions(reproduce, ['workers', 'kernel', 'data', ...READING_KEYS, 'json']);
  reproduce
    .option('--steps <count>', 'compute the last so many steps, from the nearest checkpoint before them (default: all)')
    .option(
      '--with <run>',
      `of a receipt: what to compare it with, or to begin --steps from: ${RUN_TEXT}; or a checkpoint's file`,
    )
    .option('--validate', 'of a receipt: compute nothing, only check it against itself, --key and --with')
    .option('--key <file>', 'of a receipt: PEM file of the public key by which it must be signed')
    .addHelpText(
      'after',
      examples([
        'lockstep reproduce runs/first --workers 3',
        'lockstep reproduce first.receipt.json --validate --key alice.pem --with runs/first',
        'lockstep reproduce first.receipt.json --steps 200 --with runs/first',
      ]),
    )
    .action(async (run: string | undefined, flags: Flags) => {
      done(await (await import('../commands/reproduce.ts')).reproduce(run, flags));
    });
}

function addReceipt(program: Command, done: Done): void {
  program
    .command('receipt')
    .description('write what it takes for somebody else to reproduce a run, as canonical JSON')
    .argument('[run]', `${RUN_TEXT} (default: latest)`)
    .option('--sign <key>', 'PEM file of a private key for Ed25519, which signs it')
    .option('--out <file>', 'file to write (default: stdout)')
    .addHelpText(
      'after',
      examples(['lockstep receipt runs/first', 'lockstep receipt runs/first --sign key.pem --out first.receipt.json']),
    )
    .action(async (run: string | undefined, flags: Flags) => {
      done(await (await import('../commands/receipt.ts')).receipt(run, flags));
    });
}
