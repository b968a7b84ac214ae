import { readdirSync, readFileSync } from 'node:fs';
import { z } from 'zod';
import { UsageError } from '../util/errors.ts';

const FOLDER = new URL('../../../configs/', import.meta.url);

const PresetSchema = z.strictObject({
  description: z.string(),
  /** Options as in a config file. */
  options: z.record(z.string(), z.unknown()),
  /** Its result on MNIST. */
  expected: z.strictObject({ testAccuracy: z.number(), weightsSha256: z.string() }),
});

/** A file of configs/. */
export type Preset = Readonly<z.output<typeof PresetSchema>>;

export function presetNames(): string[] {
  const files = readdirSync(FOLDER).filter((name) => name.endsWith('.json'));
  return files.map((name) => name.slice(0, -'.json'.length)).sort();
}

/** @throws UsageError if there is no preset of that name */
export function readPreset(name: string): Preset {
  if (!presetNames().includes(name)) {
    throw new UsageError(`--preset: there is no preset "${name}". Use one of ${presetNames().join(', ')}.`);
  }
  return PresetSchema.parse(JSON.parse(readFileSync(new URL(`${name}.json`, FOLDER), 'utf8')));
}
