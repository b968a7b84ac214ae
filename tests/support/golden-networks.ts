// The networks for which the promise is tested, every preset and 20 random specs, with the bits that each must come to on any
// machine: tests/fixtures/networks.json. node dist/tests/support/golden-networks.js adds what is missing there: a new preset, random
// specs up to their number, and the hashes of networks that have none. Take hashes out, to have them made anew, only where other
// numerics are intended: raise the operation's version as tests/e2e/golden.test.ts says. A spec may be put in by hand, without hashes,
// or take the place of a random one, such as for a new kind of layer.
import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { startClusterEngine } from '#src/coordinator/engine.js';
import { HashChain } from '#src/coordinator/train/hash-chain.js';
import { train } from '#src/coordinator/train/train.js';
import { resolveTrainConfig } from '#src/shared/config/config.js';
import type { KernelTarget } from '#src/shared/engine/kernel-name.js';
import { SharedMemory } from '#src/shared/engine/wasm/memory.js';
import { initialWeights } from '#src/shared/model/initialize.js';
import { parseModel } from '#src/shared/model/parse.js';
import { isPreset, PRESETS, specOf } from '#src/shared/model/registry.js';
import type { ModelSpec } from '#src/shared/model/spec.js';
import { InlineMember } from './inline-member.ts';
import { noiseFor } from './noise.ts';

/** What a network comes to in a few steps. */
export interface Bits {
  readonly weightsSha256: string;
  /** Mean loss on the test set after the last step: the float64 in hex, big-endian. */
  readonly testLoss: string;
}

interface GoldenNetwork extends Partial<Bits> {
  readonly name: string;
  /** As a person writes it; undefined for a preset. */
  readonly spec?: unknown;
}

const FILE = fileURLToPath(new URL('../../../tests/fixtures/networks.json', import.meta.url));
const RANDOM_SPECS = 20;
const MIN_LAYERS = 4;
const SEED = 11;
const FLAGS = { evaluateEvery: 0, seed: 5, optimizer: 'adamw', workers: 0, listen: '127.0.0.1:0' };
// Three shards, each a whole block of lanes and a part of one.
const SOME = { ...FLAGS, batch: 33, shardSize: 11, iterations: 2 };
// Presets are large: an emulator takes most of its time for these few samples.
const FEW = { ...FLAGS, batch: 10, shardSize: 5, iterations: 1 };
const SAMPLES = { train: 30, test: 5 };

const stored: readonly GoldenNetwork[] = JSON.parse(readFileSync(FILE, 'utf8'));

export const GOLDEN_NETWORKS: readonly (Partial<Bits> & { readonly model: ModelSpec })[] = stored.map(
  ({ name, spec, ...bits }) => ({ model: modelOf(name, spec), ...bits }),
);

function modelOf(name: string, spec: unknown): ModelSpec {
  if (spec !== undefined) return { ...parseModel(spec, undefined, name), name };
  return specOf({ model: name, head: 'softmax', rbfJ: 0.1 }, PRESETS.find((preset) => preset.name === name)?.data);
}

/** Trains in this thread alone: an emulator takes seconds to start another one. */
export async function bitsOf(model: ModelSpec, target: KernelTarget = 'wasm'): Promise<Bits> {
  const dataset = noiseFor(model, SAMPLES);
  const flags = { augment: 'shift', kernel: target, ...(isPreset(model.name) ? FEW : SOME) };
  const config = { ...resolveTrainConfig({ flags, env: {} }).config, model };
  const memory = new SharedMemory();
  const engine = startClusterEngine({ config, memory, dataset, onNoMembers: () => {} });
  const { cluster, layout, kernel, state, optimizer, answers } = engine;
  state.current.values.set(initialWeights(layout, config.seed, kernel.squareRoot));
  cluster.join(new InlineMember({ config, layout, kernel, memory, dataset }));
  try {
    const { weightsSha256, testLoss = Number.NaN } = await train({
      ...{ config, executor: cluster, state, optimizer, answers, from: { step: 0 }, chain: new HashChain() },
      observer: { onStep: () => {}, onEvaluation: () => {} },
      checkpoint: () => {},
      stop: new AbortController().signal,
    });
    const bytes = Buffer.alloc(8);
    bytes.writeDoubleBE(testLoss);
    return { weightsSha256, testLoss: bytes.toString('hex') };
  } finally {
    await cluster.close();
  }
}

async function addMissing(): Promise<void> {
  const { default: fc } = await import('fast-check');
  const { randomCase, written } = await import('./random-specs.ts');
  // Not those that are hardly more than the dense layer at their end.
  const cases = randomCase.filter(({ network }) => network.layers.length >= MIN_LAYERS);
  const random = fc.sample(cases, { seed: SEED, numRuns: RANDOM_SPECS });
  const all: GoldenNetwork[] = [
    ...PRESETS.map(({ name }) => ({ name })),
    ...random.map(({ network }, i) => ({ name: `random${i + 1}`, spec: written(network) })),
  ];
  const missing = all.filter(({ name }) => stored.every((network) => network.name !== name));
  const lines: string[] = [];
  for (const { name, spec, ...bits } of [...stored, ...missing]) {
    const golden = bits.weightsSha256 === undefined ? await bitsOf(modelOf(name, spec)) : bits;
    lines.push(JSON.stringify({ name, spec, ...golden }));
  }
  writeFileSync(FILE, `[\n${lines.join(',\n')}\n]\n`);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await addMissing();
