// lockstep bench               the speed of the kernel, the processor's peak, and the cost of coordination
// lockstep bench --kernel wasm the same for other code than the fastest that works here
// lockstep bench --backends    the kernel and native TensorFlow side by side

import { cpus } from 'node:os';
import { resolveReadConfig } from '../../shared/config/config.ts';
import { chooseKernel } from '../../shared/engine/kernel-choice.ts';
import type { KernelTarget } from '../../shared/engine/kernel-name.ts';
import { percent } from '../../shared/util/figures.ts';
import { processorCount } from '../../shared/util/processors.ts';
import { type BackendFigures, benchBackends } from '../bench/backends.ts';
import { benchCoordination, type CoordinationFigures } from '../bench/coordination.ts';
import { benchKernel, type KernelFigures } from '../bench/kernel.ts';
import { print, printJson, printLines } from '../print.ts';

const ROUNDS = 7;

/** @returns the exit code */
export async function bench({ backends, ...flags }: Record<string, unknown>): Promise<number> {
  const { json, kernel: name } = resolveReadConfig({ flags, env: process.env });
  const machine = `${cpus()[0]?.model.trim() ?? 'unknown CPU'}, ${processorCount()} processors, Node ${process.versions.node}`;
  print(`${machine}; medians of ${ROUNDS} interleaved rounds`);
  if (backends === true) {
    const figures = await benchBackends(ROUNDS, ({ batch, workers }) =>
      print(`batch ${batch}, ${workers} worker${workers === 1 ? '' : 's'}: done`),
    );
    if (json) printJson({ machine, backends: figures });
    else printLines(backendsText(figures));
    return 0;
  }
  const { target, problem } = chooseKernel(name);
  if (problem !== undefined) print(problem);
  const kernel = benchKernel(target, ROUNDS);
  const coordination: CoordinationFigures[] = [];
  for (const workers of new Set([1, processorCount()]))
    coordination.push(await benchCoordination(workers, target, ROUNDS));
  if (json) printJson({ machine, target, kernel, coordination });
  else printLines(text(target, kernel, coordination));
  return 0;
}

function text(target: KernelTarget, kernel: KernelFigures, coordination: readonly CoordinationFigures[]): string[] {
  const loops = Object.entries(kernel.peaks).map(([accumulators, rate]) => `${accumulators}: ${rate.toFixed(1)}`);
  return [
    `Peak, 128-bit multiply and add: ${kernel.peak.toFixed(1)} GFLOP/s (by accumulators: ${loops.join(', ')})`,
    '',
    `One worker (${target}), ${kernel.megaflops.toFixed(3)} MFLOP a sample:`,
    row(['shard size', 'samples/s', 'GFLOP/s', 'of peak']),
    ...kernel.shards.map(({ shardSize, samplesPerSecond, gigaflops, ofPeak }) =>
      row([String(shardSize), samplesPerSecond.toFixed(0), gigaflops.toFixed(1), percent(ofPeak, 1)]),
    ),
    '',
    `Training at batch ${coordination[0]?.batch}, compared with as many kernels that never wait for each other:`,
    row(
      ['workers', 'kernels', 'meeting', 'working', 'training', 'of kernels', 'of working'],
      'samples/s; lost by training',
    ),
    ...coordination.map(({ workers, kernels, meeting, working, training, lost, lostToCoordination }) =>
      row([
        ...[workers, kernels, meeting, working, training].map((figure) => figure.toFixed(0)),
        ...[lost, lostToCoordination].map((share) => percent(share, 1)),
      ]),
    ),
    '(kernels: gradients alone; meeting: the same, but they wait for each other once a batch; working: they also',
    'sample, reduce and update as a step does, so the difference between working and training is the cost of coordination)',
  ];
}

function backendsText(figures: readonly BackendFigures[]): string[] {
  return [
    'Training by backend: the kernel with its usual shards, tfjs with one shard a worker, which suits it best:',
    row(['batch', 'workers', 'kernel', 'tfjs', 'ratio'], 'samples/s'),
    ...figures.map(({ batch, workers, kernel, tfjs, ratio }) =>
      row([String(batch), String(workers), kernel.toFixed(0), tfjs.toFixed(0), `${ratio.toFixed(1)}x`]),
    ),
  ];
}

function row(cells: readonly string[], unit = ''): string {
  return `${cells.map((cell) => cell.padStart(12)).join('')}  ${unit}`.trimEnd();
}
