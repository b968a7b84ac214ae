import { argmax, at } from './arrays.ts';
import type { Values } from './layers/layer.ts';
import { normStatistics } from './layers/norm.ts';
import { windowPlaces, windowsOf } from './layers/pool.ts';
import { found, type Node, nodesOf } from './network.ts';
import type { Trace } from './reference.ts';
import type { NetworkSpec } from './spec.ts';

/** Of the root mean square of a layer's values for a sample. */
const MARGIN = 1e-5;
/** The least standard deviation of a norm's values, as a share of their mean. */
const LEAST_DEVIATION = 0.2;

/**
 * The samples of a block with a value so near to a kink of the network's function that float32 may land on its other side:
 * 0 in front of a ReLU, two equal candidates in a max-pool's window, two equal scores of classes. Values that are exactly 0
 * or exactly equal come from exact arithmetic or from the same one, and don't count.
 *
 * The same goes for norms of values that are almost constant: what float32 has lost of them, a norm enlarges.
 */
export function kinkedSamples(network: NetworkSpec, trace: Trace): Set<number> {
  const kinked = new Set<number>();
  for (const node of nodesOf(network)) {
    const inputs = found(trace.values, at(node.spec.inputs, 0));
    for (const [n, x] of inputs.entries()) if (nearKink(node, x)) kinked.add(n);
    for (const { mean, variance, samples } of normStatistics(node.spec, node.outputShape, inputs)) {
      if (Math.sqrt(variance) < LEAST_DEVIATION * Math.abs(mean)) for (const n of samples) kinked.add(n);
    }
  }
  for (const [n, { scores }] of trace.heads.entries()) if (nearTie(scores)) kinked.add(n);
  if (network.head.kind === 'sigmoid') {
    const last = at(network.layers, network.layers.length - 1).name;
    for (const [n, z] of found(trace.values, last).entries()) if (nearZero(z)) kinked.add(n);
  }
  return kinked;
}

function nearKink({ spec, inputShapes }: Node, x: Values): boolean {
  if (spec.kind === 'relu' || spec.kind === 'leaky-relu') return nearZero(x);
  if (spec.kind !== 'max-pool') return false;
  const margin = MARGIN * rootMeanSquare(x);
  return windowPlaces(windowsOf(spec), at(inputShapes, 0)).some((window) => {
    const most = window.reduce((largest, i) => Math.max(largest, at(x, i)), -Infinity);
    return window.some((i) => at(x, i) !== most && at(x, i) > most - margin);
  });
}

function nearZero(x: Values): boolean {
  const margin = MARGIN * rootMeanSquare(x);
  return x.some((value) => value !== 0 && Math.abs(value) < margin);
}

function nearTie(scores: Values): boolean {
  if (scores.length === 0) return false;
  const best = argmax(scores);
  const margin = MARGIN * (1 + Math.abs(at(scores, best)));
  return scores.some((score, i) => i !== best && score > at(scores, best) - margin);
}

function rootMeanSquare(x: Values): number {
  return Math.sqrt(x.reduce((sum, value) => sum + value * value, 0) / x.length);
}
