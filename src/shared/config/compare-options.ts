import { isDeepStrictEqual } from 'node:util';
import { DEFAULT_MODEL, specOf } from '../model/registry.ts';
import { canonicalJson } from '../util/canonical-json.ts';
import type { TrainConfig } from './config.ts';
import { scheduleText } from './schedule-option.ts';
import type { OptionKey } from './schema.ts';

/** Whether an option has the same effect on the bits in two configs. */
export function isSameOption(key: OptionKey, a: TrainConfig, b: TrainConfig): boolean {
  return key === 'model' ? modelText(a) === modelText(b) : isDeepStrictEqual(a[key], b[key]);
}

/** An option's value as it is shown to people: a model by its name, a schedule as it is typed. */
export function shownOption(key: OptionKey, config: TrainConfig): unknown {
  if (key === 'schedule') return scheduleText(config.schedule);
  return key === 'model' ? specOf(config).name : config[key];
}

/** A model as a text; the default one's is the same whether it is spelled out or not. */
function modelText({ model, head, rbfJ }: TrainConfig): string {
  const isDefault = model === undefined || model === DEFAULT_MODEL;
  return typeof model === 'string' && !isDefault ? model : canonicalJson(isDefault ? specOf({ head, rbfJ }) : model);
}
