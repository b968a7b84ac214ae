// Nodes that read constants alone: PyTorch writes the computation of paddings and shapes into its files.

import type { Decoded } from '../../../shared/util/protobuf-decoder.ts';
import { DATA_TYPE } from '../../export/onnx-schema.ts';
import { eachTransposed, sizeOf, transposed } from '../arrays.ts';
import type { OnnxGraph, OnnxNode } from './graph.ts';
import { MAX_INTEGERS, type OnnxTensor, tensorOf } from './tensors.ts';

const MAX_RANK = 16;

type ConstantKind = (graph: OnnxGraph, node: OnnxNode) => undefined;
type Integers = { readonly values: readonly number[]; readonly shape: readonly number[] };

/** The operators that are known on constants. */
export const ONNX_CONSTANTS: ReadonlyMap<string, ConstantKind> = new Map<string, ConstantKind>([
  ['Constant', tensors(constant)],
  ['Identity', tensors((graph, node) => graph.tensor(node, 0))],
  ['Cast', tensors((graph, node) => graph.tensor(node, 0))],
  ['Reshape', tensors(reshape)],
  ['Transpose', tensors(transpose)],
  ['Shape', integers((_graph, _node, { shape }) => shape)],
  ['Gather', integers(gather)],
  ['Unsqueeze', tensors(unsqueeze)],
  ['Squeeze', tensors(squeeze)],
  ['Concat', integers((graph, node) => node.inputs.flatMap((_, place) => graph.tensor(node, place).integers()))],
  ['Slice', slice],
  ['ConstantOfShape', integers(filled)],
  ['Add', integers(pairwise((a, b) => a + b))],
  ['Sub', integers(pairwise((a, b) => a - b))],
  ['Mul', integers(pairwise((a, b) => a * b))],
]);

function tensors(make: (graph: OnnxGraph, node: OnnxNode) => OnnxTensor): ConstantKind {
  return (graph, node) => {
    graph.setConstant(node.outputs[0] ?? '', make(graph, node));
    return undefined;
  };
}

/** A list of whole numbers from the first input. */
function integers(make: (graph: OnnxGraph, node: OnnxNode, first: Integers) => readonly number[]): ConstantKind {
  return (graph, node) => {
    const first = graph.tensor(node, 0);
    const lazy = {
      shape: first.shape,
      get values() {
        return first.integers();
      },
    };
    const list = make(graph, node, lazy);
    if (list.length > MAX_INTEGERS) throw graph.fail(node, `it makes ${list.length} numbers of a shape.`);
    graph.setIntegers(node.outputs[0] ?? '', list);
    return undefined;
  };
}

function constant(graph: OnnxGraph, node: OnnxNode): OnnxTensor {
  const tensor = node.attributes.get('value')?.t;
  const number = node.attributes.get('value_float')?.f;
  const integer = node.attributes.get('value_int')?.i;
  const list = graph.integers(node, 'value_ints');
  const of = (proto: object) => tensorOf({ ...proto, name: node.outputs[0] ?? '' }, graph.source, graph.files);
  if (tensor !== undefined) return of(tensor as Decoded);
  if (number !== undefined) return of({ dataType: DATA_TYPE.float32, floatData: [number] });
  if (integer !== undefined) return of({ dataType: DATA_TYPE.int64, int64Data: [integer] });
  if (list !== undefined) return of({ dataType: DATA_TYPE.int64, int64Data: list, dims: [list.length] });
  throw graph.fail(node, 'only constants of tensors, of float32 and of whole numbers are known.');
}

function reshape(graph: OnnxGraph, node: OnnxNode): OnnxTensor {
  const from = graph.tensor(node, 0);
  const known = graph
    .tensor(node, 1)
    .integers()
    .map((side, axis) => (side === 0 ? (from.shape[axis] ?? 0) : side));
  const open = sizeOf(from.shape) / sizeOf(known.filter((side) => side !== -1));
  const shape = known.map((side) => (side === -1 ? open : side));
  if (sizeOf(shape) !== sizeOf(from.shape)) throw graph.fail(node, 'its constant has another number of values.');
  return { ...from, shape };
}

function unsqueeze(graph: OnnxGraph, node: OnnxNode): OnnxTensor {
  const from = graph.tensor(node, 0);
  const axes = graph.tensor(node, 1).integers();
  const rank = from.shape.length + axes.length;
  const added = new Set(axes.map((axis) => (axis < 0 ? axis + rank : axis)));
  if (rank > MAX_RANK || added.size !== axes.length || [...added].some((axis) => axis < 0 || axis >= rank))
    throw graph.fail(node, 'its axes are none of a tensor.');
  const sides = from.shape.values();
  return {
    ...from,
    shape: Array.from({ length: rank }, (_, axis) => (added.has(axis) ? 1 : (sides.next().value ?? 1))),
  };
}

/** Of the sides that are 1; which of them makes no difference to what is read here. */
function squeeze(graph: OnnxGraph, node: OnnxNode): OnnxTensor {
  const from = graph.tensor(node, 0);
  return { ...from, shape: from.shape.filter((side) => side !== 1) };
}

function transpose(graph: OnnxGraph, node: OnnxNode): OnnxTensor {
  const from = graph.tensor(node, 0);
  const axes = from.shape.map((_, axis) => axis);
  const order = graph.integers(node, 'perm') ?? axes.toReversed();
  if ([...order].sort((a, b) => a - b).join() !== axes.join()) throw graph.fail(node, 'its perm is no order of axes.');
  return {
    ...from,
    ...transposed(from, order),
    integers() {
      const list = from.integers();
      const to: number[] = [];
      eachTransposed(from.shape, order, (_, place) => to.push(list[place] as number));
      return to;
    },
  };
}

function gather(graph: OnnxGraph, node: OnnxNode, { values, shape }: Integers): number[] {
  if (shape.length !== 1) throw graph.fail(node, 'only numbers of a list can be gathered.');
  return graph
    .tensor(node, 1)
    .integers()
    .map((place) => {
      const value = values.at(place);
      if (value === undefined) throw graph.fail(node, 'it gathers behind the end of its list.');
      return value;
    });
}

/** Of rows, or of the numbers of a list: along the first axis. */
function slice(graph: OnnxGraph, node: OnnxNode): undefined {
  const from = graph.tensor(node, 0);
  const [start, end, axis, step] = [1, 2, 3, 4].map((place) => graph.constant(node, place)?.integers()[0]);
  const [rows = 1, ...others] = from.shape;
  if ((axis ?? 0) !== 0 || step === 0) throw graph.fail(node, 'only slices along the first axis are known.');
  const places = Array.from({ length: Math.min(rows, MAX_INTEGERS) }, (_, i) => i);
  const [stride, length] = [step ?? 1, sizeOf(others)];
  const at = (place: number) => (place < 0 ? place + rows : place);
  const picked = (stride > 0 ? places : places.toReversed())
    .filter((i) =>
      stride > 0 ? i >= at(start ?? 0) && i < at(end ?? rows) : i <= at(start ?? rows) && i > at(end ?? -rows - 1),
    )
    .filter((_, i) => i % Math.abs(stride) === 0);
  const list = from.integers();
  graph.setIntegers(
    node.outputs[0] ?? '',
    picked.flatMap((row) => list.slice(row * length, (row + 1) * length)),
    [picked.length, ...others],
  );
  return undefined;
}

function filled(graph: OnnxGraph, node: OnnxNode, { values }: Integers): number[] {
  const size = sizeOf(values);
  if (!(size >= 0 && size <= MAX_INTEGERS)) throw graph.fail(node, `it makes ${size} numbers of a shape.`);
  const value = node.attributes.get('value')?.t;
  const [fill = 0] = value === undefined ? [] : tensorOf(value as Decoded, graph.source, graph.files).integers();
  return Array.from({ length: size }, () => fill);
}

/** Of lists of one length, or of a list and a number. */
function pairwise(calculate: (a: number, b: number) => number) {
  return (graph: OnnxGraph, node: OnnxNode, { values }: Integers): number[] => {
    const others = graph.tensor(node, 1).integers();
    const [longer, shorter] = [Math.max(values.length, others.length), Math.min(values.length, others.length)];
    if (shorter !== longer && shorter !== 1) throw graph.fail(node, 'its lists have different lengths.');
    return Array.from({ length: longer }, (_, i) =>
      calculate(values[i % values.length] as number, others[i % others.length] as number),
    );
  };
}
