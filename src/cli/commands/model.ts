import { type OutputKind, outputFile } from '../../coordinator/run/output.ts';
import { networkDiagram } from '../../inspect/report/diagram.ts';
import { readingOf, specFor } from '../../library/model.ts';
import { type ResolvedTrainConfig, resolveTrainConfig } from '../../shared/config/config.ts';
import { findDataset } from '../../shared/data/open.ts';
import { KNOWN_SHAPES } from '../../shared/data/registry.ts';
import { planProgram } from '../../shared/engine/program/planner.ts';
import { bytesOf } from '../../shared/engine/wasm/memory.ts';
import { flopsPerSample } from '../../shared/model/flops.ts';
import { kindOf } from '../../shared/model/kinds.ts';
import type { LayerLayout } from '../../shared/model/layers/placed-layer.ts';
import { layoutOf, type ModelLayout } from '../../shared/model/layout.ts';
import { type DataShape, modelJsonSchema } from '../../shared/model/parse.ts';
import { DEFAULT_MODEL, PRESETS, typicalData } from '../../shared/model/registry.ts';
import { shapeText } from '../../shared/model/shape.ts';
import { callerPath } from '../../shared/util/paths.ts';
import { replaceFile } from '../../shared/util/replace-file.ts';
import { shownPath } from '../../shared/util/shown-path.ts';
import { measure } from '../../worker/pool/measure.ts';
import { alignedTable } from '../aligned-table.ts';
import { kernelTask } from '../bench/kernel.ts';
import { print, printJson, printLines } from '../print.ts';

export interface ModelFlags {
  readonly schema?: boolean;
  readonly svg?: string;
  readonly data?: string;
  readonly testSplit?: string;
  readonly target?: string;
  readonly resize?: string;
  readonly head?: string;
  readonly json?: boolean;
}

/** Samples of a shard, as a training run has them by default. */
const SHARD_SIZE = 8;
/** How long the kernel is measured. */
const SECONDS = 0.5;

/** `lockstep model [NAME|FILE]`: the layers of a network, and what it takes to train it; or the schema of specs. */
export async function model(name: string | undefined, flags: ModelFlags): Promise<number> {
  if (flags.schema === true) {
    printJson(modelJsonSchema());
    return 0;
  }
  if (name === undefined) {
    listPresets(flags.json === true);
    return 0;
  }
  const { schema: _, svg, json, ...options } = flags;
  const resolved = resolveTrainConfig({ flags: { ...options, model: name }, env: {} });
  const { config } = resolved;
  const data = flags.data === undefined ? typicalData(config.model) : await shapeOf(flags.data, resolved);
  const file =
    svg === undefined ? undefined : outputFile(callerPath(svg, process.env), { option: '--svg', kind: DRAWING });
  const layout = layoutOf(await specFor(config, data, print));
  if (file !== undefined) await replaceFile(file, Buffer.from(drawingOf(layout)));
  const report = reportOf(layout);
  if (json === true) printJson({ ...report, spec: layout.spec });
  else
    printLines([...reportText(layout, report), ...(file === undefined ? [] : ['', `drawn       ${shownPath(file)}`])]);
  return 0;
}

/** A drawing, by which an earlier one is known. */
const BEGINNING = '<svg xmlns="http://www.w3.org/2000/svg" class="network';
const DRAWING: OutputKind = {
  title: 'a drawing of Lockstep',
  isOwn: (ends) => ends.indexOf(BEGINNING) === 0,
};

/** What the report's style sheet says of a diagram, for a file of its own. */
const STYLE =
  'svg{background:#fff;font-family:system-ui,sans-serif}' +
  'text{fill:#57606a;font-size:11px;text-anchor:middle}.name{fill:#1f2328;font-size:13px;font-weight:600}' +
  '.sheet{fill:#ddf4ff;stroke:#0969da}.arrow{fill:none;stroke:#57606a;stroke-width:1.5}' +
  '@media(prefers-color-scheme:dark){svg{background:#0d1117}text{fill:#9198a1}.name{fill:#f0f6fc}' +
  '.sheet{fill:#121d2f;stroke:#4493f8}.arrow{stroke:#9198a1}}';

function drawingOf(layout: ModelLayout): string {
  const { markup } = networkDiagram(layout);
  return markup.replace(/^<svg ([^>]*)>/, `<svg xmlns="http://www.w3.org/2000/svg" $1><style>${STYLE}</style>`);
}

async function shapeOf(flag: string, resolved: ResolvedTrainConfig): Promise<DataShape> {
  return (await findDataset({ flag, reading: await readingOf(resolved), env: process.env, print })).shape;
}

function listPresets(asJson: boolean): void {
  const presets = PRESETS.map(({ name, text }) => ({ name, text, isDefault: name === DEFAULT_MODEL }));
  if (asJson) {
    printJson(presets);
    return;
  }
  printLines([
    ...presets.map(({ name, text, isDefault }) => `${name.padEnd(12)}${text}${isDefault ? ' (default)' : ''}`),
    '',
    'Details: lockstep model NAME. A network of your own: a JSON file, whose schema `lockstep model --schema` prints.',
  ]);
}

function reportOf(layout: ModelLayout) {
  const { spec, input, classes, layers, parameters, trainable } = layout;
  const bytes = bytesOf((memory) => planProgram(layout, { shardSize: SHARD_SIZE }, memory));
  const samplesPerSecond = measure({
    ...kernelTask(SHARD_SIZE, SECONDS, { layout }),
    barrier: new Int32Array(new SharedArrayBuffer(4)).fill(1),
  });
  return {
    name: spec.name,
    input,
    classes,
    layers: layers.map((layer) => ({
      name: layer.spec.name,
      kind: layer.spec.kind,
      inputs: layer.spec.inputs,
      output: layer.output,
      parameters: layer.parameters,
      multiplyAdds: kindOf(layer.spec).macs(layer).forward,
    })),
    parameters,
    trainable,
    megaflops: flopsPerSample(layout) / 1e6,
    threadBytes: bytes,
    samplesPerSecond,
    fits: KNOWN_SHAPES.filter((set) => isSame(set, layout)).map(({ name }) => name),
  };
}

function isSame(set: DataShape, { input, classes }: ModelLayout): boolean {
  return shapeText(set) === shapeText(input) && set.classes === classes;
}

function reportText(layout: ModelLayout, report: ReturnType<typeof reportOf>): string[] {
  const number = (value: number): string => Math.round(value).toLocaleString('en-US');
  const { input, classes, spec } = layout;
  const rows = layout.layers.map((layer, i) => [
    layer.spec.name,
    kindOf(layer.spec).text + from(layer),
    shapeText(layer.output),
    number(layer.parameters),
    number(report.layers[i]?.multiplyAdds ?? 0),
  ]);
  const figures = ['parameters', 'multiply-adds'];
  const fits = report.fits.length > 0 ? `, such as ${report.fits.join(' and ')}` : '';
  return [
    `model       ${spec.name}, head ${spec.head.kind}`,
    `data        samples of ${shapeText(input)} in ${classes} classes${fits}`,
    '',
    ...alignedTable([['layer', 'kind', 'output', ...figures], ...rows], new Set(figures)),
    '',
    `parameters  ${number(report.parameters)}${report.trainable < report.parameters ? `, of which ${number(report.trainable)} are trained` : ''}`,
    `work        ${report.megaflops.toFixed(1)} megaflops a sample, forward and backward`,
    `memory      ${(report.threadBytes / 2 ** 20).toFixed(1)} MiB a thread, in shards of ${SHARD_SIZE}`,
    `speed       ${number(report.samplesPerSecond)} samples/s on one thread, measured here`,
  ];
}

/** The inputs of a layer, if they aren't the output of the layer before it. */
function from({ sources, place, spec }: LayerLayout): string {
  return sources.length === 1 && sources[0] === place - 1 ? '' : ` of ${spec.inputs.join(', ')}`;
}
