// Files that mean harm, by what they try.
import { mkdirSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { deflateRawSync } from 'node:zlib';
import { ModelProto } from '#src/inspect/export/onnx-schema.js';

export interface Attack {
  readonly name: string;
  /** Makes the file. @returns its path */
  make(folder: string): string;
  /** What the error must say. */
  readonly refusal: RegExp;
}

type Json = Readonly<Record<string, unknown>>;

const FLOAT = 1;
const INT64 = 7;

interface Graph {
  readonly nodes: readonly Json[];
  readonly initializers?: readonly Json[];
  readonly input?: readonly number[];
  readonly opset?: number;
}

function onnx(name: string, graph: Graph, refusal: RegExp): Attack {
  return { name, refusal, make: (folder) => written(folder, 'net.onnx', onnxBytes(graph)) };
}

export function onnxBytes({ nodes, initializers = [], input = [1, 2, 6, 6], opset = 17 }: Graph): Uint8Array {
  const dim = input.map((dimValue) => ({ dimValue }));
  const graph = {
    node: nodes,
    initializer: initializers,
    input: [{ name: 'x', type: { tensorType: { elemType: FLOAT, shape: { dim } } } }],
    output: [{ name: 'y' }],
  };
  return ModelProto.encode(ModelProto.create({ opsetImport: [{ domain: '', version: opset }], graph })).finish();
}

function node(opType: string, input: readonly string[], output: string, attributes: Json = {}): Json {
  const attribute = Object.entries(attributes).map(([name, value]) =>
    Array.isArray(value) ? { name, ints: value } : typeof value === 'object' ? { name, t: value } : { name, i: value },
  );
  return { opType, input, output: [output], attribute };
}

function floats(name: string, dims: readonly number[], count = dims.reduce((a, b) => a * b, 1)): Json {
  return { name, dims, dataType: FLOAT, rawData: new Uint8Array(4 * count) };
}

function keras(name: string, layers: readonly Json[], refusal: RegExp, extra: Json = {}): Attack {
  const config = { layers, input_layers: [['in', 0, 0]], output_layers: [['out', 0, 0]] };
  const json = { class_name: 'Functional', config, ...extra };
  return { name, refusal, make: (folder) => written(folder, 'net.json', JSON.stringify(json)) };
}

const INPUT = layer('InputLayer', 'in', [], { batch_input_shape: [null, 6, 6, 2] });

function layer(kind: string, name: string, inputs: readonly string[], config: Json = {}): Json {
  const inbound_nodes = inputs.length === 0 ? [] : [inputs.map((input) => [input, 0, 0, {}])];
  return { class_name: kind, name, config: { name, ...config }, inbound_nodes };
}

function text(name: string, file: string, contents: string | Uint8Array, refusal: RegExp): Attack {
  return { name, refusal, make: (folder) => written(folder, file, contents) };
}

function written(folder: string, file: string, contents: string | Uint8Array): string {
  const path = join(folder, file);
  writeFileSync(path, contents);
  return path;
}

/** A zip archive of one file, whose header may lie. */
function zipped(file: string, contents: Buffer, method: number, claims: { size?: number; at?: number } = {}): Buffer {
  const name = Buffer.from(file);
  const local = Buffer.alloc(30);
  local.writeUInt32LE(0x04034b50, 0);
  local.writeUInt16LE(name.length, 26);
  const entry = Buffer.alloc(46);
  entry.writeUInt32LE(0x02014b50, 0);
  entry.writeUInt16LE(method, 10);
  entry.writeUInt32LE(claims.size ?? contents.length, 20);
  entry.writeUInt16LE(name.length, 28);
  entry.writeUInt32LE(claims.at ?? 0, 42);
  const end = Buffer.alloc(22);
  end.writeUInt32LE(0x06054b50, 0);
  end.writeUInt32LE(entry.length + name.length, 12);
  end.writeUInt32LE(local.length + name.length + contents.length, 16);
  return Buffer.concat([local, name, contents, entry, name, end]);
}

const MANY = 1_000_000;
const HUGE = 2 ** 40;
const external = (location: string, offset = '0') => ({
  ...floats('w', [1, 72], 0),
  dataLocation: 1,
  externalData: [
    { key: 'location', value: location },
    { key: 'offset', value: offset },
    { key: 'length', value: '288' },
  ],
});
const gemm = [node('Flatten', ['x'], 'f', { axis: 1 }), node('Gemm', ['f', 'w'], 'y', { transB: 1 })];

const ONNX: readonly Attack[] = [
  text(
    'a million empty nodes',
    'net.onnx',
    graphOf(Buffer.alloc(2 * MANY).map((_, i) => (i % 2 === 0 ? 0x0a : 0))),
    /more than 300000 values/,
  ),
  onnx(
    '20,000 nodes',
    { nodes: Array.from({ length: 20_000 }, () => node('Relu', ['x'], 'y')) },
    /20000 nodes; 10000 is the most/,
  ),
  onnx('2,000 layers', { nodes: chain(2000, (from, to) => node('Relu', [from], to)) }, /1000 layers are the most/),
  onnx(
    'a node that reads itself',
    { nodes: [node('Relu', ['y'], 'y')] },
    /y \(Relu\): its input y is made by no node before it/,
  ),
  onnx(
    'a circle',
    { nodes: [node('Relu', ['b'], 'a'), node('Add', ['a', 'x'], 'b')] },
    /its input b is made by no node before it/,
  ),
  onnx(
    'an unknown operator',
    { nodes: [node('Einsum', ['x'], 'y')] },
    /y \(Einsum\): the operator isn't known\. The known ones are Conv, Gemm, /,
  ),
  onnx(
    'a foreign operator',
    { nodes: [{ ...node('Relu', ['x'], 'y'), domain: 'com.evil' }] },
    /\(com\.evil\.Relu\): the operator isn't known/,
  ),
  onnx('an old opset', { nodes: [], opset: 12 }, /version 12; 13 is the first/),
  onnx(
    'an input that overflows',
    { nodes: [node('Relu', ['x'], 'y')], input: [1, HUGE, HUGE, HUGE] },
    /its input .* isn't one/,
  ),
  onnx(
    'maps that double',
    { nodes: chain(60, (from, to) => node('Concat', [from, from], to, { axis: 1 })) },
    /has more than 16777216 values/,
  ),
  onnx(
    'a shape of a tensor that overflows',
    { nodes: gemm, initializers: [floats('w', [HUGE, HUGE], 1)] },
    /of the shape 1099511627776x1099511627776 isn't one/,
  ),
  onnx(
    'a tensor of negative sides',
    { nodes: gemm, initializers: [floats('w', [-1, -72], 72)] },
    /tensor w of the shape -1x-72 isn't one/,
  ),
  onnx(
    'a tensor that holds less than it says',
    { nodes: gemm, initializers: [floats('w', [1, 72], 71)] },
    /holds 71 values, but its shape says 72/,
  ),
  onnx(
    'a large tensor that isn’t there',
    { nodes: gemm, initializers: [floats('w', [100_000, 72], 0)] },
    /holds 0 values, but its shape says 7200000/,
  ),
  onnx(
    'weights of other inputs',
    { nodes: gemm, initializers: [floats('w', [3, 71])] },
    /y \(Gemm\): its weight has the shape 3x71, but its inputs ask for 3x72/,
  ),
  onnx('a tensor that many nodes read', sharedTensor(), /are more than the 16777216 that are read/),
  onnx(
    'weights elsewhere',
    { nodes: gemm, initializers: [external('../../etc/passwd')] },
    /names the file \.\.\/\.\.\/etc\/passwd; only files of the same folder/,
  ),
  onnx(
    'weights at an absolute path',
    { nodes: gemm, initializers: [external('/etc/passwd')] },
    /only files of the same folder are read/,
  ),
  onnx(
    'weights behind the end of a file',
    { nodes: gemm, initializers: [external('net.onnx', '9007199254740992')] },
    /can't lie at 9007199254740992 of net\.onnx/,
  ),
  onnx(
    'a stride of 0',
    { nodes: [node('MaxPool', ['x'], 'y', { kernel_shape: [2, 2], strides: [0, 0] })] },
    /y \(MaxPool\): stride/,
  ),
  onnx(
    'a padding that overflows',
    { nodes: [node('MaxPool', ['x'], 'y', { kernel_shape: [2, 2], pads: [HUGE, HUGE, HUGE, HUGE] })] },
    /y \(MaxPool\): padding/,
  ),
  onnx(
    'a shape of many numbers',
    {
      nodes: [node('ConstantOfShape', ['n'], 'y')],
      initializers: [{ name: 'n', dims: [2], dataType: INT64, int64Data: [HUGE, HUGE] }],
    },
    /it makes 1\.2\d*e\+24 numbers of a shape/,
  ),
  onnx(
    'lists that double',
    {
      nodes: [
        node('Shape', ['x'], 'x0'),
        ...chain(40, (from, to) => node('Concat', [from, from], to, { axis: 0 }), 'x0'),
      ],
    },
    /numbers of a shape|whole numbers/,
  ),
  {
    name: 'a file that is too large',
    refusal: /has 67108865 bytes; 67108864 are the most/,
    make: (folder) => sparse(folder, 'net.onnx', 2 ** 26 + 1),
  },
  {
    name: 'a large file of zeros',
    refusal: /can't be read as an ONNX model \(a field has the number 0\)/,
    make: (folder) => sparse(folder, 'net.onnx', 2 ** 26),
  },
  text(
    'a message that ends behind the file',
    'net.onnx',
    Uint8Array.of(0x3a, 0xff, 0xff, 0xff, 0xff, 0x0f),
    /ends behind the end of the file/,
  ),
];

const KERAS: readonly Attack[] = [
  keras(
    'a circle',
    [INPUT, layer('Add', 'a', ['in', 'out']), layer('ReLU', 'out', ['a'])],
    /a \(Add\) reads its own output/,
  ),
  keras(
    'a layer that isn’t there',
    [INPUT, layer('ReLU', 'out', ['ghost'])],
    /out reads ghost, which isn't in the file/,
  ),
  keras(
    'an unknown class',
    [INPUT, layer('Lambda', 'out', ['in'])],
    /out \(Lambda\): the class of layers isn't known\. The known ones are Conv2D, /,
  ),
  keras(
    '5,000 layers',
    [INPUT, ...Array.from({ length: 5000 }, (_, i) => layer('ReLU', `r${i}`, ['in']))],
    /5001 layers; 2000 are the most/,
  ),
  keras(
    'vectors that double',
    [
      INPUT,
      layer('Flatten', 'v', ['in']),
      ...chain(20, (from, to) => layer('Concatenate', to, [from, from]), 'v', 'out'),
    ],
    /joins more than 1000 vectors|has more than 16777216 values/,
  ),
  keras(
    'a kernel of no number',
    [INPUT, layer('Conv2D', 'out', ['in'], { filters: 2, kernel_size: [{ toString: 1 }, 2] })],
    /out \(Conv2D\): its kernel_size isn't a pair of numbers/,
  ),
  keras(
    'a layer that is called twice',
    [INPUT, { ...layer('ReLU', 'out', ['in']), inbound_nodes: [[['in', 0, 0]], [['out', 0, 0]]] }],
    /it is called 2 times/,
  ),
  keras(
    'weights elsewhere',
    [INPUT, layer('ReLU', 'out', ['in'])],
    /names the file \.\.\/secret\.bin; only files of the same folder/,
    {
      weightsManifest: [{ paths: ['../secret.bin'], weights: [] }],
    },
  ),
  keras('weights of more bytes than there are', [INPUT, layer('ReLU', 'out', ['in'])], /but it lists other weights/, {
    weightsManifest: [{ paths: ['net.json'], weights: [{ name: 'w', shape: [HUGE, HUGE], dtype: 'float32' }] }],
  }),
  text(
    'lists in lists',
    'net.json',
    `{"class_name":${'['.repeat(MANY / 2)}${']'.repeat(MANY / 2)}}`,
    /more than 64 levels are nested/,
  ),
  text(
    'half a million layers',
    'net.json',
    `{"name":"a","layers":[${'{},'.repeat(MANY / 2)}{}]}`,
    /more than 200000 objects and lists/,
  ),
  text('JSON that is none', 'net.json', '{"name":', /can't be read as JSON/),
  text('a graph model', 'net.json', '{"format":"graph-model","modelTopology":{}}', /is a TensorFlow\.js graph model/),
];

const ZIP: readonly Attack[] = [
  text('no archive', 'net.keras', 'PK nothing', /it has no list of files/),
  text('an archive without a model', 'net.keras', zipped('other.json', Buffer.from('{}'), 0), /it has no config\.json/),
  text(
    'an archive that inflates without end',
    'net.keras',
    zipped('config.json', deflateRawSync(Buffer.alloc(2 ** 27)), 8),
    /can't be inflated to at most 2097152 bytes/,
  ),
  text(
    'a file behind the end of its archive',
    'net.keras',
    zipped('config.json', Buffer.from('{}'), 0, { at: 0xfffffff0 }),
    /its config\.json ends behind its end/,
  ),
  text(
    'a file of more bytes than its archive',
    'net.keras',
    zipped('config.json', Buffer.from('{}'), 0, { size: 0xffffffff }),
    /its config\.json ends behind its end/,
  ),
  text('an unknown compression', 'net.keras', zipped('config.json', Buffer.from('{}'), 99), /unknown method 99/),
];

const OTHERS: readonly Attack[] = [
  text(
    'a spec that is too long',
    'net.json',
    `{"name":"${'a'.repeat(2 ** 20)}"}`,
    /has 1048587 bytes; 1048576 are the most/,
  ),
  text(
    'a pickle',
    'net.pt',
    'cos\nsystem\n',
    /A pickle runs whatever program it holds\. examples\/pytorch-to-lockstep\.py/,
  ),
  text('HDF5', 'net.h5', '', /HDF5 isn't read/),
  text('a file of no known format', 'net.txt', '', /its format isn't known/),
  { name: 'a folder', refusal: /expected a file, but it is none/, make: folderNamed },
  {
    name: 'a file that isn’t there',
    refusal: /it can't be read \(ENOENT/,
    make: (folder) => join(folder, 'missing.onnx'),
  },
];

export const ATTACKS = [...ONNX, ...KERAS, ...ZIP, ...OTHERS];

/** A message of a model with a graph of these bytes. */
function graphOf(bytes: Uint8Array): Buffer {
  const length: number[] = [];
  for (let rest = bytes.length; rest > 0; rest >>>= 7) length.push((rest & 0x7f) | (rest > 0x7f ? 0x80 : 0));
  return Buffer.concat([Buffer.of(0x3a, ...length), bytes]);
}

function chain<T>(count: number, link: (from: string, to: string) => T, first = 'x', last = 'y'): T[] {
  const name = (i: number) => (i === 0 ? first : i === count ? last : `${first}_${i}`);
  return Array.from({ length: count }, (_, i) => link(name(i), name(i + 1)));
}

function sharedTensor(): Graph {
  const nodes = [
    node('Flatten', ['x'], 'f', { axis: 1 }),
    ...chain(200, (from, to) => node('MatMul', [from, 'w'], to), 'f'),
  ];
  return { nodes, initializers: [floats('w', [1000, 1000])], input: [1, 1000, 1, 1] };
}

function sparse(folder: string, name: string, bytes: number): string {
  const path = written(folder, name, '');
  truncateSync(path, bytes);
  return path;
}

function folderNamed(folder: string): string {
  const path = join(folder, 'folder.onnx');
  mkdirSync(path);
  return path;
}
