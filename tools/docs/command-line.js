// The reference of the command line, from the program that parses it and the schema of train's options.
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { createProgram } from '../../dist/cli/program.js';
import { OPTION_GROUPS } from '../../dist/shared/config/option-notes.js';
import { defaultText, expectedText } from '../../dist/shared/config/option-text.js';
import { presetNames, readPreset } from '../../dist/shared/config/presets.js';
import { flagOf, notesOf, OPTION_KEYS, variableOf } from '../../dist/shared/config/schema.js';

const INTRODUCTION = `# Command line

This page is generated from the program.
In a checkout, \`npm start -- FLAGS\` is \`lockstep train FLAGS\`, and \`npm run lockstep -- COMMAND FLAGS\` is any other command.
[Exit codes](../runs.md#exit-codes-for-an-engine) are the same for all commands.

`;

const TRAIN_NOTES = `Each option may also be given as a variable, or by its name in the JSON file of \`--config\`, such as \`{"shardSize": 16}\`.
Flags take precedence over variables, then the config file, then the preset.
Options marked **bits** decide the weights or the hash chain, bit for bit: two runs with the same values of them, the same data and the same numerics have the same hashes.
A resumed run keeps them.

`;

/** Writes the page. */
export function writeCommandLine(file) {
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, commandLinePage());
}

export function commandLinePage() {
  const { commands } = createProgram(() => {});
  const rows = commands.map((command) => [
    `[\`${command.name()}\`](#${command.name()})`,
    sentence(command.description()),
  ]);
  return `${INTRODUCTION}${table(['command', 'what it does'], rows)}\n${commands.map(section).join('\n')}`;
}

function section(command) {
  const usage = `\`\`\`\nlockstep ${command.name()} ${command.usage()}\n\`\`\``;
  const parts = [`## ${command.name()}`, sentence(command.description()), usage, argumentsOf(command)];
  const options = command.name() === 'train' ? trainOptions(command) : plainOptions(command);
  return `${[...parts, options, examplesOf(command)].filter((part) => part !== '').join('\n\n')}\n`;
}

function argumentsOf(command) {
  const rows = command.registeredArguments.map((argument) => {
    const { text, fallback } = describe(argument.description);
    const several = argument.variadic ? '…' : '';
    return [`\`${argument.name()}\`${several}`, argument.required ? 'required' : (fallback ?? ''), text];
  });
  return rows.length === 0 ? '' : table(['argument', 'default', 'meaning'], rows).trimEnd();
}

function plainOptions(command) {
  if (command.name() === 'sweep') {
    const own = command.options.filter((option) => !isOfTrain(option));
    return `Takes every [option of train](#train), each with several values, separated by commas or as a range such as \`1..5\`, and:\n\n${optionTable(own)}`;
  }
  return command.options.length === 0 ? '' : optionTable(command.options);
}

function isOfTrain({ long }) {
  return ['--preset', '--config', ...OPTION_KEYS.map(flagOf)].includes(long);
}

function optionTable(options) {
  const rows = options.map((option) => {
    const { text, fallback } = describe(option.description);
    return [code(option.flags), option.mandatory ? 'required' : (fallback ?? ''), text];
  });
  return table(['option', 'default', 'meaning'], rows).trimEnd();
}

/** The options of the schema, in groups. */
function trainOptions(command) {
  const own = command.options.filter(({ long }) => long === '--preset' || long === '--config');
  const groups = OPTION_GROUPS.map((group) => {
    const keys = OPTION_KEYS.filter((key) => notesOf(key).group === group);
    return `### ${group.slice(0, 1).toUpperCase()}${group.slice(1)} {#options-${group}}\n\n${keys.map((key) => trainOption(command, key)).join('\n')}`;
  });
  return [TRAIN_NOTES.trimEnd(), optionTable(own), presets(), ...groups].join('\n\n');
}

function trainOption(command, key) {
  const { flags } = command.options.find(({ long }) => long === flagOf(key));
  const { help, bits } = notesOf(key);
  const facts = [
    `Takes: ${escaped(expectedText(key))}.`,
    `Default: ${escaped(defaultText(key))}.`,
    `Variable: \`${variableOf(key)}\`; in a file: \`${key}\`.`,
  ];
  const mark = bits === true ? ' · **bits**' : '';
  return `#### \`${flags}\`${mark} {#option-${flagOf(key).slice(2)}}\n\n${sentence(help)}\n\n${facts.join('\n')}\n`;
}

/** What each preset sets, and what it gives on MNIST. */
function presets() {
  const rows = presetNames().map((name) => {
    const { description, options, expected } = readPreset(name);
    const flags = Object.entries(options).map(([key, value]) => code(`${flagOf(key)} ${value}`));
    return [code(name), escaped(description), flags.join(' '), `${(100 * expected.testAccuracy).toFixed(2)} %`];
  });
  return `Presets:\n\n${table(['preset', 'what it is', 'options', 'MNIST'], rows).trimEnd()}`;
}

function examplesOf(command) {
  let help = '';
  command.configureOutput({ writeOut: (text) => (help += text) }).outputHelp();
  const [, examples] = help.split('\nExamples:\n');
  if (examples === undefined) return '';
  const lines = examples.split('\n').filter((line) => line.startsWith('  '));
  return `\`\`\`sh\n${lines.map((line) => line.trim()).join('\n')}\n\`\`\``;
}

/** A description without the default in its end. */
function describe(description) {
  const [, text, fallback] = /^(.*) \(default: (.*)\)$/s.exec(description) ?? [undefined, description];
  return { text: sentence(text), fallback: fallback && escaped(fallback) };
}

function sentence(text) {
  return `${escaped(text.slice(0, 1).toUpperCase() + text.slice(1))}.`;
}

/** Markdown that shows a text as it is. */
function escaped(text) {
  return text.replaceAll(/[<>*_[\]{}|\\$]/g, (character) => `&#${character.charCodeAt(0)};`);
}

function code(text) {
  return `\`${text.replaceAll('|', '\\|')}\``;
}

function table(head, rows) {
  return [head, head.map(() => '---'), ...rows].map((cells) => `| ${cells.join(' | ')} |\n`).join('');
}
