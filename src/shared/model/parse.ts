// A spec as JSON, as people write it: what may be left out is filled in. Apart from the layers, since browsers do without zod.
import { z } from 'zod';
import { ModelError } from '../util/errors.ts';
import { printable } from '../util/printable.ts';
import { HEADS, LAYERS } from './kinds.ts';
import { INPUT, type LayerSpec } from './layers/placed-layer.ts';
import type { Shape } from './shape.ts';
import type { ModelSpec } from './spec.ts';

/** The most layers; also the most inputs of one. */
export const MAX_LAYERS = 1000;
const MAX_SIDE = 4096;
/** Of samples: rows of a table may have many more columns than layers have maps. */
const MAX_MAPS = 2 ** 16 - 1;

/** What the data set decides if a spec leaves it out. */
export interface DataShape extends Shape {
  /** Classes, or outputs. */
  readonly classes: number;
  /** Classes, or outputs; undefined: not known. */
  readonly targets?: 'uint16' | 'float32';
}

/** Made when it is first needed: most commands read no spec. */
let schema: ReturnType<typeof makeSchema> | undefined;

function specSchema(): ReturnType<typeof makeSchema> {
  schema ??= makeSchema();
  return schema;
}

function makeSchema() {
  const NAME = z
    .string()
    .regex(/^[A-Za-z0-9_][A-Za-z0-9_.-]{0,63}$/, 'expected up to 64 letters, digits, and _ . - inside')
    .refine((name) => name !== INPUT, `${INPUT} is the name of the model's input`)
    .describe('carried by the tensors; default: the kind and the place from 1');

  const SIDE = z.int().min(1).max(MAX_SIDE);

  const shapeSchema = z
    .strictObject({ maps: z.int().min(1).max(MAX_MAPS), height: SIDE, width: SIDE })
    .describe('samples; default: those of the data set');

  const layerSchema = z.discriminatedUnion(
    'kind',
    LAYERS.map((layer) =>
      z
        .strictObject({
          kind: z.literal(layer.kind as string),
          name: NAME.optional(),
          inputs: z
            .array(z.string().max(64))
            .min(1)
            .max(MAX_LAYERS)
            .optional()
            .describe('names of layers before it; default: the one before it'),
          ...fieldsOf(layer),
        })
        .describe(layer.text),
    ) as unknown as readonly [z.ZodObject<{ kind: z.ZodLiteral<string> }>],
  );

  const headSchema = z.union([
    z.enum(HEADS.map(({ kind }) => kind) as [string, ...string[]]),
    z.discriminatedUnion(
      'kind',
      HEADS.map((head) =>
        z.strictObject({ kind: z.literal(head.kind as string), ...head.fields(z) }).describe(head.text),
      ) as unknown as readonly [z.ZodObject<{ kind: z.ZodLiteral<string> }>],
    ),
  ]);

  return z.strictObject({
    name: NAME,
    input: shapeSchema.optional(),
    layers: z.array(layerSchema).min(1).max(MAX_LAYERS),
    head: headSchema.optional().describe('default: softmax for classes, mse for numbers'),
    decay: z
      .enum(['weights', 'all'])
      .default('weights')
      .describe('what weight decay falls on: not on biases and norms, or on all'),
    initialization: z
      .enum(['he-uniform', 'pytorch-uniform'])
      .optional()
      .describe('initial weights: uniform up to sqrt(6 / fan-in), or up to sqrt(1 / fan-in); default: he-uniform'),
  });
}

/** The units of the last layer may be left out. */
function fieldsOf(layer: (typeof LAYERS)[number]) {
  const fields = layer.fields(z);
  return layer.kind === 'dense' ? { ...fields, units: z.int().min(1).max(1_000_000).optional() } : fields;
}

/** The published schema of specs. */
export function modelJsonSchema(): Readonly<Record<string, unknown>> {
  return { title: 'A Lockstep model', ...z.toJSONSchema(specSchema(), { io: 'input' }) };
}

/**
 * @param json a spec as people write it, or as `parseModel` returned it
 * @param data fills in what the spec leaves to the data set
 * @param source named in errors
 * @throws ModelError that names the layer and the field
 */
export function parseModel(json: unknown, data: DataShape | undefined, source: string): ModelSpec {
  checkSize(json, source);
  const parsed = specSchema().safeParse(json);
  if (!parsed.success) throw new ModelError(issueText(parsed.error, json, source));
  const {
    name,
    layers,
    head = data?.targets === 'float32' ? 'mse' : 'softmax',
    decay,
    initialization,
    input = data && { maps: data.maps, height: data.height, width: data.width },
  } = parsed.data;
  if (input === undefined)
    throw new ModelError(`${source}: the model's input isn't given, and no data set says what it is.`);
  const named = nameLayers(layers as unknown as readonly UnnamedLayer[], source);
  const last = named.at(-1) as LayerSpec & { units?: number };
  if (last.kind === 'dense' && last.units === undefined && data !== undefined)
    named[named.length - 1] = { ...last, units: data.classes } as LayerSpec;
  const open = named.find((layer) => layer.kind === 'dense' && (layer as { units?: number }).units === undefined);
  if (open !== undefined)
    throw new ModelError(
      `${source}: the layer ${open.name} has no units. Only the last layer's may be left to the data set.`,
    );
  const headSpec = typeof head === 'string' ? { kind: head } : head;
  return {
    name,
    input,
    layers: named,
    head: withDefaults(headSpec),
    decay,
    // Absent from specs that leave it out, as from those of earlier versions.
    ...(initialization && { initialization }),
  };
}

interface UnnamedLayer {
  readonly kind: string;
  readonly name?: string;
  readonly inputs?: readonly string[];
}

function nameLayers(layers: readonly UnnamedLayer[], source: string): LayerSpec[] {
  const known = new Set([INPUT]);
  let before = INPUT;
  return layers.map((layer, place): LayerSpec => {
    const name = layer.name ?? `${layer.kind}${place + 1}`;
    const inputs = layer.inputs ?? [before];
    checkArity(layer.kind, name, inputs.length, source);
    const unknown = inputs.find((input) => !known.has(input));
    if (unknown !== undefined)
      throw new ModelError(
        `${source}: the layer ${name} reads ${shortText(unknown)}, but no layer before it has that name.`,
      );
    if (known.has(name)) throw new ModelError(`${source}: two layers are called ${name}.`);
    known.add(name);
    before = name;
    return { ...layer, name, inputs };
  });
}

function checkArity(kind: string, name: string, count: number, source: string): void {
  const [min, max] = LAYERS.find((layer) => layer.kind === kind)?.arity ?? [1, 1];
  if (count >= min && count <= max) return;
  const expected = min === max ? `${min} input` : `${min} to ${max} inputs`;
  throw new ModelError(`${source}: the layer ${name} (${kind}) takes ${expected}, but it has ${count}.`);
}

/** Drops fields that are absent, so that a spec is the same before and after it was a file. */
function withDefaults<T extends object>(value: T): T {
  return Object.fromEntries(Object.entries(value).filter(([, field]) => field !== undefined)) as T;
}

/** Counts before anything is done per layer: a million of them must not take long. */
function checkSize(json: unknown, source: string): void {
  const layers = typeof json === 'object' && json !== null && 'layers' in json ? json.layers : undefined;
  if (Array.isArray(layers) && layers.length > MAX_LAYERS)
    throw new ModelError(`${source}: it has ${layers.length} layers; ${MAX_LAYERS} is the most.`);
}

function issueText(error: z.ZodError, json: unknown, source: string): string {
  const [issue] = error.issues;
  const path = issue?.path ?? [];
  const place = path[0] === 'layers' && typeof path[1] === 'number' ? path[1] : undefined;
  const layer = place === undefined ? undefined : (json as { layers: readonly unknown[] }).layers[place];
  const { name, kind } = (layer ?? {}) as Readonly<Record<'name' | 'kind', unknown>>;
  if (place !== undefined && !LAYERS.some((each) => each.kind === kind)) {
    const known = LAYERS.map((each) => each.kind).join(', ');
    return `${source}: the layer ${shortText(name ?? place + 1)} is of the unknown kind ${shortText(kind)}. The kinds are ${known}.`;
  }
  const field = path.slice(place === undefined ? 0 : 2).join('.');
  const where = place === undefined ? '' : `the layer ${shortText(name ?? `${kind}${place + 1}`)}`;
  const subject = [where, field].filter((text) => text !== '').join(': ');
  return `${source}: ${subject === '' ? 'the spec' : subject}: ${shortText(issue?.message ?? 'not a spec', MAX_ISSUE)}.`;
}

const MAX_TEXT = 80;
const MAX_ISSUE = 400;

/** A file's own text in a message. */
function shortText(value: unknown, length = MAX_TEXT): string {
  return printable((typeof value === 'string' ? value : `${JSON.stringify(value)}`).slice(0, length));
}
