// npm run bench:layers [-- ROUNDS [NAME]]    share of the 128-bit peak that single layers reach in the kernel
//
// Rounds are interleaved with the machine's peak, and a share is of the same round's; the medians are printed. Time is the
// process's own on the processor, so that other programs count little.
import { median } from '#src/cli/bench/median.js';
import { ACCUMULATORS, Peak, type PeakTask } from '#src/cli/bench/peak.js';
import { OPERATIONS, type OperationName, RECORD_WORDS, wordsOf } from '#src/shared/engine/operations.js';
import { compileKernel, instantiateKernel } from '#src/shared/engine/wasm/exports.js';
import { SharedMemory } from '#src/shared/engine/wasm/memory.js';
import { LANES } from '#src/shared/model/layers/emit.js';
import { uniformStream } from '../tests/support/reference/random.ts';

const BLOCK = 4 * LANES;
const CACHE_LINE = 64;
/** Shards whose dense weight gradients are taken at once. */
const SHARDS = 8;
const SECONDS = 0.05;
/** A millisecond or two. */
const BATCH_MEGAFLOPS = 50;

interface Task extends PeakTask {
  readonly name: string;
}

const memory = new SharedMemory();
const kernel = instantiateKernel(compileKernel(), memory.memory);
const uniform = uniformStream(1);

function fill(length: number): number {
  const floats = memory.float32(length);
  for (let i = 0; i < length; i++) floats[i] = uniform();
  return floats.byteOffset;
}

function operation(name: OperationName, values: readonly number[], count = LANES): () => void {
  const record = memory.int32(RECORD_WORDS);
  record[0] = OPERATIONS[name].number;
  let word = 1;
  for (const [i, kind] of [...OPERATIONS[name].arguments].entries()) {
    record[word] = values[i] as number;
    word += wordsOf(kind);
  }
  return () => kernel.run(record.byteOffset, 1, 0, 0, 0, 0, count, 0, false);
}

/** A convolution at stride 1 that keeps the size, with as many maps in as out. */
function convTasks(maps: number, side: number, kernelSize: number): Task[] {
  const row = (side + kernelSize - 1) * BLOCK;
  // A cache line more, so that neighbouring maps don't fall on the same lines of the first-level cache.
  const plane = (side + kernelSize - 1) * row + CACHE_LINE;
  const offsets = memory.int32(maps * kernelSize * kernelSize);
  let next = 0;
  for (let map = 0; map < maps; map++) {
    for (let y = 0; y < kernelSize; y++)
      for (let x = 0; x < kernelSize; x++) offsets[next++] = map * plane + y * row + x * BLOCK;
  }
  const taps = offsets.length;
  const x = fill((maps * plane) / 4);
  const deltas = fill((maps * plane) / 4);
  const middle = ((kernelSize - 1) / 2) * (row + BLOCK);
  const out = fill((maps * plane) / 4);
  const [packed, bias, gradient] = [fill(maps * taps), fill(maps), fill(maps * taps)];
  const conv = (from: number, offset: number, flush: number): (() => void) => {
    const to = [out + middle, row, BLOCK, plane];
    return operation('conv', [
      from,
      row,
      BLOCK,
      offsets.byteOffset,
      taps,
      packed,
      offset,
      maps,
      side,
      side,
      ...to,
      flush,
    ]);
  };
  const d = [deltas + middle, row, plane];
  const weight = [x, row, BLOCK, offsets.byteOffset, taps, ...d, maps, side, side, gradient];
  const name = `conv ${kernelSize}x${kernelSize} ${maps}-${maps}@${side}`;
  const megaflops = (2 * LANES * maps * taps * side * side) / 1e6;
  return [
    { name: `${name} forward`, megaflops, run: conv(x, bias, 0) },
    { name: `${name} input`, megaflops, run: conv(deltas, -1, 1) },
    { name: `${name} weight`, megaflops, run: operation('convWeightGradient', weight) },
  ];
}

function denseTasks(inputs: number, outputs: number): Task[] {
  // A cache line more, for the same reason.
  const blockOf = (features: number): number => Math.ceil(features / 16) * 16 * BLOCK + CACHE_LINE;
  const [weight, bias, gradient] = [fill(inputs * outputs), fill(outputs), fill(inputs * outputs + outputs)];
  const [x, out, d, dx] = [fill(inputs * LANES), fill(outputs * LANES), fill(outputs * LANES), fill(inputs * LANES)];
  const [blockD, blockX] = [blockOf(outputs), blockOf(inputs)];
  const [keptX, keptD] = [fill((SHARDS * blockX) / 4), fill((SHARDS * blockD) / 4)];
  const stack = memory.allocate(1024);
  const targets = [gradient, gradient + 4 * inputs * outputs, stack, blockD, blockX];
  const name = `dense ${inputs}-${outputs}`;
  const megaflops = (2 * LANES * inputs * outputs) / 1e6;
  return [
    { name: `${name} forward`, megaflops, run: operation('denseForward', [weight, bias, x, inputs, outputs, 1, out]) },
    { name: `${name} input`, megaflops, run: operation('denseInputGradient', [weight, d, x, inputs, outputs, 1, dx]) },
    {
      name: `${name} weight`,
      megaflops: SHARDS * megaflops,
      run: operation('denseWeightGradient', [keptD, keptX, LANES, inputs, outputs, ...targets], SHARDS),
    },
  ];
}

/** GFLOP/s over at least SECONDS of processor time, which is asked for seldom: that takes as long as a short layer. */
function measure({ megaflops, run }: PeakTask): number {
  const calls = Math.ceil(BATCH_MEGAFLOPS / megaflops);
  const start = process.cpuUsage();
  for (let batches = 1; ; batches++) {
    for (let call = 0; call < calls; call++) run();
    const { user, system } = process.cpuUsage(start);
    const seconds = (user + system) / 1e6;
    if (seconds >= SECONDS) return (batches * calls * megaflops) / 1e3 / seconds;
  }
}

const peak = new Peak();
const peaks = ACCUMULATORS.map((accumulators) => peak.task(accumulators));
const tasks = [
  ...convTasks(16, 32, 3),
  ...convTasks(32, 16, 3),
  ...convTasks(64, 8, 3),
  ...convTasks(32, 16, 1),
  ...convTasks(64, 8, 1),
  ...denseTasks(784, 512),
].filter(({ name }) => name.includes(process.argv[3] ?? ''));
const shares = tasks.map(() => [] as number[]);
const speeds = tasks.map(() => [] as number[]);
const limits: number[] = [];
const rounds = Number(process.argv[2] ?? 9);
for (const task of [...peaks, ...tasks]) measure(task);
for (let round = 0; round < rounds; round++) {
  for (const [i, task] of tasks.entries()) {
    const speed = measure(task);
    const limit = Math.max(...peaks.map(measure));
    limits.push(limit);
    speeds[i]?.push(speed);
    shares[i]?.push(speed / limit);
  }
}
console.log(`Node ${process.version}, peak ${median(limits).toFixed(1)} GFLOP/s`);
for (const [i, { name }] of tasks.entries()) {
  const share = (100 * median(shares[i] ?? [])).toFixed(0).padStart(4);
  console.log(
    `${name.padEnd(28)}${median(speeds[i] ?? [])
      .toFixed(1)
      .padStart(6)} GFLOP/s${share} %`,
  );
}
