import type { Summary } from '../coordinator/run/summary.ts';
import { augmentOf } from '../shared/config/augment-option.ts';
import { isSameOption } from '../shared/config/compare-options.ts';
import { BITS, dataAgain, resolveTrainConfig, type TrainConfig } from '../shared/config/config.ts';
import { type Preset, presetNames, readPreset } from '../shared/config/presets.ts';
import { DEFAULT_SET } from '../shared/data/registry.ts';
import { commandLine, withOptions } from '../shared/util/command-line.ts';
import type { Print } from '../shared/util/notice.ts';
import { typedPath } from '../shared/util/shown-path.ts';

/** A sentence on whether a finished run has the bits that its preset expects; undefined if the run isn't a preset's. */
export function expectationLine(
  { run, dataset, weightsSha256 }: Summary,
  config: TrainConfig,
): Parameters<Print> | undefined {
  const name =
    dataset === DEFAULT_SET.name ? presetNames().find((each) => isSame(config, readPreset(each))) : undefined;
  if (name === undefined) return undefined;
  const { expected } = readPreset(name);
  if (expected.weightsSha256 === weightsSha256) return [`These are the bits that configs/${name}.json expects.`];
  return [
    `THESE ARE NOT THE BITS that configs/${name}.json expects, ${expected.weightsSha256}. ` +
      `The same build would give them on any machine: see ${commandLine(withOptions(`verify ${typedPath(run)}`, dataAgain(config)), process.env)} and ` +
      `${commandLine('doctor', process.env)}.`,
    'warn',
  ];
}

/** Whether the preset's options produce the same bits as `config`. */
function isSame(config: TrainConfig, { options }: Preset): boolean {
  const { config: resolved } = resolveTrainConfig({ flags: options, env: {} });
  const preset = { ...resolved, augment: augmentOf(resolved, DEFAULT_SET.shape) };
  return BITS.every((key) => isSameOption(key, config, preset));
}
