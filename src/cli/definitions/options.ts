import { type Command, Option } from 'commander';
import { OPTION_GROUPS, type OptionGroup } from '../../shared/config/option-notes.ts';
import { defaultText, valueName } from '../../shared/config/option-text.ts';
import { presetNames } from '../../shared/config/presets.ts';
import { flagOf, notesOf, OPTION_KEYS, type OptionKey } from '../../shared/config/schema.ts';
import { commandLine } from '../../shared/util/command-line.ts';

/** What stands for a run in every command. */
export const RUN_TEXT = 'a run: its directory, its name below runs/, or latest';
/** What an argument takes that names weights. */
export const CHECKPOINT_TEXT = `a .safetensors file, or ${RUN_TEXT} (default: latest)`;

/** Reports the exit code of a command that has ended. */
export type Done = (exitCode: number) => void;

/** Flags as commander gives them. */
export type Flags = Record<string, unknown>;

/** Adds options of the schema to a command. Their values stay texts: the schema reads and checks them. */
export function addOptions(command: Command, keys: readonly OptionKey[]): void {
  for (const key of keys) command.addOption(optionOf(key));
}

/** Adds options of the schema, in groups. */
export function addGroupedOptions(command: Command, keys: readonly OptionKey[]): void {
  for (const group of OPTION_GROUPS) {
    for (const key of keys) {
      if (notesOf(key).group === group) command.addOption(optionOf(key).helpGroup(headingOf(group)));
    }
  }
}

/** The heading of a group in help. */
export function headingOf(group: OptionGroup): string {
  return `${group.slice(0, 1).toUpperCase()}${group.slice(1)}:`;
}

/** @param several each option may be given several times; its values are a list then */
export function addTrainOptions(command: Command, { several = false } = {}): void {
  const own = [
    new Option('--preset <name>', `options from a file of configs/: ${presetNames().join(', ')}`),
    new Option('--config <file>', 'JSON file of options by name, such as {"shardSize": 16}'),
  ];
  for (const option of own) command.addOption(option);
  addGroupedOptions(command, OPTION_KEYS);
  if (several) for (const option of command.options) if (option.required) option.argParser(collected);
  command.addHelpText(
    'after',
    '\nEach flag is also a LOCKSTEP_* variable, such as LOCKSTEP_SHARD_SIZE.\n' +
      'Flags take precedence over variables, then the config file, then the preset.',
  );
}

function collected(value: string, before: readonly string[] = []): string[] {
  return [...before, value];
}

/** Help text with examples of a command, given as `lockstep train --seed 3`. */
export function examples(lines: readonly string[]): string {
  return `\nExamples:\n${lines.map((line) => `  ${asStarted(line)}`).join('\n')}`;
}

/** An example with each of our commands as this process was started. */
function asStarted(line: string): string {
  return line.replaceAll(/\blockstep ((?:(?! &&| >).)+)/g, (_, command: string) => commandLine(command, process.env));
}

function optionOf(key: OptionKey): Option {
  const { help, mayStandAlone } = notesOf(key);
  const value = valueName(key);
  if (mayStandAlone) return new Option(`${flagOf(key)} [${value}]`, `${help} (default: ${defaultText(key)})`);
  return value === undefined
    ? new Option(flagOf(key), help)
    : new Option(`${flagOf(key)} <${value}>`, `${help} (default: ${defaultText(key)})`);
}
