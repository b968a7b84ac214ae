import type { ModelLayout } from '../../shared/model/layout.ts';
import { ModelError } from '../../shared/util/errors.ts';
import { sizeOf } from './arrays.ts';
import { readTensors } from './files.ts';
import { quoted } from './names.ts';
import { readModelFile } from './read-model.ts';

export interface InitialWeights {
  /** [parameters] in the layout's order. */
  readonly weights: Float32Array;
  /** Names of the tensors that the file has. */
  readonly taken: readonly string[];
  /** Those of running statistics that it lacks: they begin as in a new model. */
  readonly defaults: readonly string[];
  /** Those that the file has and the model doesn't. */
  readonly unused: readonly string[];
}

const MAX_LISTED = 4;
/** Tensors of a checkpoint that aren't the model's. */
const OPTIMIZER = 'optimizer.';

/**
 * The first weights of a model, from a safetensors file of its own tensors or from any file of a model with weights.
 * @throws ModelError if a tensor is missing or doesn't fit, or if a value isn't finite
 */
export async function weightsFor(layout: ModelLayout, path: string): Promise<InitialWeights> {
  const tensors = await tensorsIn(path);
  const weights = new Float32Array(layout.parameters);
  const [taken, defaults, problems]: [string[], string[], string[]] = [[], [], []];
  for (const { name, shape, offset, size, role, fill } of layout.tensors) {
    const tensor = tensors.get(name);
    if (tensor === undefined && role !== 'state') problems.push(`${name} of ${shape.join('x')} is missing`);
    else if (tensor === undefined) {
      weights.fill(fill, offset, offset + size);
      defaults.push(name);
    } else if (!fits(tensor, shape)) {
      const given = tensor.shape?.join('x') ?? `${tensor.data.length} values`;
      problems.push(`${name} has ${quoted(given)}, not ${shape.join('x')}`);
    } else if (!tensor.data.every(Number.isFinite)) problems.push(`${name} holds values that aren't finite`);
    else {
      weights.set(tensor.data, offset);
      taken.push(name);
    }
  }
  if (problems.length > 0) throw unfit(path, layout, problems);
  const known = new Set(layout.tensors.map(({ name }) => name));
  return { weights, taken, defaults, unused: [...tensors.keys()].filter((name) => !known.has(name)) };
}

interface FileTensor {
  /** Absent: as the model has it. */
  readonly shape?: readonly number[];
  readonly data: Float32Array;
}

/** What a model's file warns of is said where its layers are read. */
async function tensorsIn(path: string): Promise<ReadonlyMap<string, FileTensor>> {
  if (path.endsWith('.safetensors')) {
    const tensors = await readTensors(path);
    return new Map([...tensors].filter(([name]) => !name.startsWith(OPTIMIZER)));
  }
  const { weights } = await readModelFile(path);
  if (weights === undefined || weights.size === 0)
    throw new ModelError(
      `${path}: it has no weights. Give a file that has: .safetensors, .onnx, or a model.json with its binary files.`,
    );
  return new Map([...weights].map(([name, data]) => [name, { data }]));
}

function fits({ shape, data }: FileTensor, expected: readonly number[]): boolean {
  return data.length === sizeOf(expected) && (shape === undefined || shape.join() === expected.join());
}

function unfit(path: string, layout: ModelLayout, problems: readonly string[]): ModelError {
  const more = problems.length - MAX_LISTED;
  const list = problems.slice(0, MAX_LISTED).join('; ') + (more > 0 ? `; and ${more} more` : '');
  return new ModelError(`${path}: its weights aren't those of the model ${layout.spec.name}: ${list}.`);
}
