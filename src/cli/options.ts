import { type Command, Option } from 'commander';
import { presetNames } from '../shared/config/presets.ts';
import { defaultText, flagOf, notesOf, OPTION_KEYS, type OptionKey, valueName } from '../shared/config/schema.ts';

/** Adds options of the one schema to a command. Their values stay texts: the schema reads and checks them. */
export function addOptions(command: Command, keys: readonly OptionKey[]): void {
  for (const key of keys) {
    const { help } = notesOf(key);
    const value = valueName(key);
    const option =
      value === undefined
        ? new Option(flagOf(key), help)
        : new Option(`${flagOf(key)} <${value}>`, `${help} (default: ${defaultText(key)})`);
    command.addOption(option);
  }
}

export function addTrainOptions(command: Command): void {
  addOptions(command, OPTION_KEYS);
  command.option('--preset <name>', `options from a file of configs/: ${presetNames().join(', ')}`);
  command.option('--config <file>', 'JSON file of options by name, such as {"shardSize": 16}');
  command.addHelpText(
    'after',
    '\nEach flag is also a LOCKSTEP_* variable, as LOCKSTEP_SHARD_SIZE; flags win, then variables, the file, the preset.',
  );
}
