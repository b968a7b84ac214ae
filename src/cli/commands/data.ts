// lockstep data                                  MNIST
// lockstep data cifar10.safetensors --out samples.png
// lockstep data photos/ --pack photos.safetensors
// lockstep data photos/ --features resnet50.onnx --pack features.safetensors

import { type Output, type OutputKind, outputFile, withFolder } from '../../coordinator/run/output.ts';
import {
  type ClassFacts,
  type DatasetFacts,
  type DuplicateFacts,
  factsOf,
  type ValueFacts,
} from '../../inspect/dataset/facts.ts';
import { rowsOf, sampleSheet } from '../../inspect/dataset/sheet.ts';
import { pngOf } from '../../inspect/report/png.ts';
import { readingOf } from '../../library/model.ts';
import { resolveTrainConfig } from '../../shared/config/config.ts';
import { type Dataset, inputKindOf } from '../../shared/data/dataset.ts';
import { openDataset } from '../../shared/data/open.ts';
import { packedPieces } from '../../shared/data/pack.ts';
import { licenceOf } from '../../shared/data/registry.ts';
import { modelOf, PRESETS } from '../../shared/model/registry.ts';
import { isVector, shapeText } from '../../shared/model/shape.ts';
import { commandLine } from '../../shared/util/command-line.ts';
import { ModelError, UsageError } from '../../shared/util/errors.ts';
import { count, percent } from '../../shared/util/figures.ts';
import { callerPath } from '../../shared/util/paths.ts';
import { replaceFile } from '../../shared/util/replace-file.ts';
import { shownPath } from '../../shared/util/shown-path.ts';
import { extractorOf, type FeatureFlags, featuresText } from '../data/features.ts';
import { styleOf, tiledText } from '../predict/sample-text.ts';
import { print, printJson, printLines } from '../print.ts';

interface DataFlags extends FeatureFlags {
  readonly out?: string;
  readonly pack?: string;
}

/** Classes that have a line; samples that are printed. */
const MAX_CLASSES = 50;
const MAX_SAMPLES = 5;
const BAR = 20;

/** The text of a sheet, by which an earlier one is known. */
const [KEYWORD, TITLE] = ['Title', 'Samples of a data set, by Lockstep'] as const;
const SHEET: OutputKind = {
  title: 'a picture of samples by Lockstep',
  isOwn: (ends) => ends.includes(`tEXt${KEYWORD}\0${TITLE}`),
};

/** `lockstep data [SOURCE]`: what a data set is, and whether something is wrong with it. */
export async function data(named: string | undefined, flags: Readonly<Record<string, unknown>>): Promise<number> {
  const { out, pack, features, layer, normalize, ...others } = flags as DataFlags & Record<string, unknown>;
  const options = { ...others, ...(named === undefined ? {} : { data: named }) };
  const resolved = resolveTrainConfig({ flags: options, env: process.env });
  const { data: flag, json } = resolved.config;
  const sheetFile = newFile(out, { option: '--out', kind: SHEET });
  const packedFile = newFile(pack, { option: '--pack' });
  const source = { flag, reading: await readingOf(resolved), env: process.env };
  const extractor = await extractorOf({ features, layer, normalize }, { out, pack });
  const dataset = await (extractor?.(source) ?? openDataset({ ...source, print }));
  const facts = factsOf(dataset);
  if (sheetFile !== undefined) await writeSheet(sheetFile, dataset);
  if (packedFile !== undefined) await replaceFile(packedFile, packedPieces(dataset));
  const fits = fittingModels(dataset);
  if (json) printJson(reportOf(dataset, facts, fits));
  else {
    printLines(textOf(dataset, facts, fits));
    printSamples(dataset);
  }
  if (sheetFile !== undefined) print(`Samples: ${shownPath(sheetFile)}`);
  if (packedFile !== undefined) print(`Packed: ${shownPath(packedFile)}`);
  return 0;
}

/** Refused, if it must be, before anything is computed. */
function newFile(path: string | undefined, output: Output): string | undefined {
  return path === undefined ? undefined : withFolder(outputFile(callerPath(path, process.env), output), output.option);
}

async function writeSheet(file: string, dataset: Dataset): Promise<void> {
  const sheet = sampleSheet(dataset);
  if (sheet === undefined) {
    throw new UsageError(
      `--out: expected pictures of one or three maps, but the samples are ${shapeText(dataset)}. Leave --out away.`,
    );
  }
  await replaceFile(file, pngOf(sheet, { [KEYWORD]: TITLE }));
}

/** The presets that take the data set as it is. */
function fittingModels(dataset: Dataset): string[] {
  const targets = dataset.train.targets instanceof Float32Array ? 'float32' : 'uint16';
  return PRESETS.filter(({ name }) => {
    try {
      const { config } = resolveTrainConfig({ flags: { model: name }, env: {} });
      const { spec } = modelOf(config, { ...dataset, targets });
      // A convolution of single values can be built, but has nothing to slide over.
      return !isVector(dataset) || spec.layers.every(({ kind }) => kind !== 'conv');
    } catch (error) {
      if (error instanceof ModelError) return false;
      throw error;
    }
  }).map(({ name }) => name);
}

function reportOf(dataset: Dataset, facts: DatasetFacts, models: readonly string[]) {
  const { name, sha256, maps, height, width, train, test, preparation } = dataset;
  return {
    ...{ name, sha256, maps, height, width },
    inputs: inputKindOf(train),
    samples: { train: train.count, test: test.count },
    ...(preparation?.kind === 'features' ? { features: preparation } : {}),
    ...facts,
    licence: licenceOf(dataset),
    models,
  };
}

function textOf(dataset: Dataset, facts: DatasetFacts, models: readonly string[]): string[] {
  const { name, sha256, train, test, preparation } = dataset;
  const { classes, outputs, maps, duplicates } = facts;
  const licence = licenceOf(dataset);
  return [
    `data        ${name}`,
    `digest      ${sha256}`,
    `samples     ${count(train.count)} for training, ${count(test.count)} for testing`,
    `each        ${shapeText(dataset)}, ${train.inputs instanceof Uint8Array ? 'bytes, which a model sees as 0 to 1' : 'floats'}`,
    ...(preparation?.kind === 'features' ? featuresText(preparation) : []),
    ...valuesText(maps),
    ...(licence === undefined ? [] : [`licence     ${licence}`]),
    ...(duplicates === undefined ? [] : [`duplicates  ${duplicatesText(duplicates)}`]),
    `models      ${models.length === 0 ? `none of the presets: give a spec, whose JSON schema is \`${commandLine('model --schema', process.env)}\`` : models.join(', ')}`,
    '',
    ...(classes === undefined ? outputLines(outputs ?? []) : classLines(classes)),
  ];
}

/** The values of maps that are few, such as colours; of all together otherwise. */
function valuesText(maps: readonly ValueFacts[]): string[] {
  const line = ({ least, most, mean, deviation }: ValueFacts): string =>
    `mean ${number(mean)}, deviation ${number(deviation)}, from ${number(least)} to ${number(most)}`;
  if (maps.length > 4) {
    const least = Math.min(...maps.map((map) => map.least));
    const most = Math.max(...maps.map((map) => map.most));
    return [`values      from ${number(least)} to ${number(most)}`];
  }
  const label = (i: number): string => (maps.length === 1 ? 'values' : `map ${i}`).padEnd(12);
  return maps.map((map, i) => `${label(i)}${line(map)}`);
}

function duplicatesText({ train, test, leaked, contradicting }: DuplicateFacts): string {
  const parts = [
    ...(train > 0 ? [`${count(train)} in training`] : []),
    ...(test > 0 ? [`${count(test)} in testing`] : []),
    ...(leaked > 0 ? [`${count(leaked)} test samples are training samples too: figures on them say less`] : []),
    ...(contradicting > 0 ? [`${count(contradicting)} with another target than their twin`] : []),
  ];
  return parts.length === 0 ? 'none' : parts.join('; ');
}

function classLines(classes: readonly ClassFacts[]): string[] {
  const shown = classes.slice(0, MAX_CLASSES);
  const width = Math.max(5, ...shown.map(({ name }) => name.length));
  const most = Math.max(1, ...classes.map(({ train }) => train));
  const total = Math.max(
    1,
    classes.reduce((sum, { train }) => sum + train, 0),
  );
  return [
    `${'class'.padEnd(width)}  training    share   testing`,
    ...shown.map(({ name, train, test }) => {
      const figures = `${count(train).padStart(8)}  ${percent(train / total).padStart(7)}  ${count(test).padStart(8)}`;
      return `${name.padEnd(width)}  ${figures}  ${'#'.repeat(Math.round((BAR * train) / most))}`.trimEnd();
    }),
    ...(classes.length > MAX_CLASSES ? [`… and ${classes.length - MAX_CLASSES} more classes`] : []),
  ];
}

function outputLines(outputs: NonNullable<DatasetFacts['outputs']>): string[] {
  const width = Math.max(6, ...outputs.map(({ name }) => name.length));
  const columns = ['mean', 'deviation', 'least', 'most'] as const;
  return [
    `${'output'.padEnd(width)}${columns.map((column) => column.padStart(12)).join('')}`,
    ...outputs
      .slice(0, MAX_CLASSES)
      .map(
        (output) => `${output.name.padEnd(width)}${columns.map((key) => number(output[key]).padStart(12)).join('')}`,
      ),
  ];
}

function number(value: number): string {
  return Number(value.toPrecision(4)).toString();
}

/** One sample of each of the first classes, side by side as far as the terminal is wide. */
function printSamples(dataset: Dataset): void {
  const { train, maps, height, width } = dataset;
  if (!(train.inputs instanceof Uint8Array)) return;
  const size = maps * height * width;
  const samples = rowsOf(dataset)
    .slice(0, MAX_SAMPLES)
    .map(([first = 0]) => train.inputs.subarray(first * size, (first + 1) * size) as Uint8Array);
  const text = tiledText(samples, { maps, height, width }, styleOf(process.stdout));
  if (text !== undefined) process.stdout.write(`\n${text}`);
}
