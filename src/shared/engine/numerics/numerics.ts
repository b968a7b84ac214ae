import { createHash } from 'node:crypto';
import type { ModelLayout } from '../../model/layout.ts';
import { NO_AUGMENTATION, parseAugmentations } from '../augmentations/registry.ts';
import type { OperationName } from '../operations.ts';
import { type OptimizerName, optimizerOf } from '../optimizers/registry.ts';
import { planProgram } from '../program/planner.ts';
import { isTable, type Schedule } from '../schedule-table.ts';
import { compileKernel } from '../wasm/exports.ts';
import { bytesOf } from '../wasm/memory.ts';
import { AUGMENTATION_CASES, type AugmentationCase, augmentationCase, TOGETHER } from './augmentation-cases.ts';
import { SCHEME_CASES, UPDATE_CASES } from './function-cases.ts';
import {
  ACTIVATION_CASES,
  activationName,
  CONV_CASES,
  ELEMENTWISE_CASES,
  INPUT_CASES,
  LATER_ACTIVATION_CASES,
  NORM_CASES,
  POOL_CASES,
} from './layer-cases.ts';
import { type Cases, DENSE_CASES, HEAD_CASES, LENET_CASES } from './lenet-cases.ts';
import { Bench, Trial, VARIANTS } from './trial.ts';

/**
 * What decides the bits, by name: each with what it is tried on. Adding one ends no run; a change of one is a change of its version
 * below, and ends the runs that use it.
 */
const NAMED_CASES = {
  ...LENET_CASES,
  ...DENSE_CASES,
  ...HEAD_CASES,
  ...INPUT_CASES,
  ...CONV_CASES,
  ...POOL_CASES,
  ...ACTIVATION_CASES,
  ...NORM_CASES,
  ...ELEMENTWISE_CASES,
  ...UPDATE_CASES,
  ...SCHEME_CASES,
  /** Which operations a layer becomes, in which order; a version alone. */
  program: () => {},
} satisfies Cases<OperationName | 'program'>;

export type NumericsName = keyof typeof NAMED_CASES | keyof typeof LATER_ACTIVATION_CASES | AugmentationCase;

const CASES: Readonly<Record<string, (trial: Trial) => void>> = {
  ...NAMED_CASES,
  ...LATER_ACTIVATION_CASES,
  ...AUGMENTATION_CASES,
};

export const NUMERICS_NAMES = Object.keys(CASES).sort() as readonly NumericsName[];

/** Raised by hand whenever a definition changes, even if its outputs below stay the same. What isn't named has version 1. */
const VERSIONS: Readonly<Partial<Record<NumericsName, number>>> = {};

/** What every run uses, whatever its model. */
const COMMON = [
  'add',
  'meanAndSquares',
  'learningRate',
  'initialWeights',
  'sampler',
  'augmentation',
  'tree',
  'program',
] as const satisfies readonly NumericsName[];

export interface NumericsOptions {
  readonly layout: ModelLayout;
  readonly optimizer: OptimizerName;
  /** Undefined: none. */
  readonly augment?: string | undefined;
  /** What the samples are. */
  readonly inputs?: 'uint8' | 'float32' | undefined;
  /** Into how many the job is cut (default: 1). */
  readonly replicas?: number | undefined;
  readonly schedule?: Schedule | undefined;
}

const known = new Map<NumericsName, string>();
let bench: Bench | undefined;

/**
 * The SHA-256 of an operation's name, version and outputs over fixed inputs, as this machine computes them. Equal ones prove nothing by
 * themselves, but different ones never compute the same bits; the versions vouch for the rest (docs/determinism.md).
 */
export function operationDigest(name: NumericsName): string {
  const before = known.get(name);
  if (before !== undefined) return before;
  bench ??= new Bench(compileKernel());
  const digest = digestOn(bench, name);
  known.set(name, digest);
  return digest;
}

/** The same by another kernel. */
export function digestOn(bench: Bench, name: NumericsName): string {
  const hash = createHash('sha256').update(`${name} ${VERSIONS[name] ?? 1}\n`);
  for (const variant of VARIANTS) CASES[name]?.(new Trial(bench, variant, (bytes) => void hash.update(bytes)));
  return hash.digest('hex');
}

/** The names of all that decides the bits of a run, sorted. */
export function numericsNames({
  layout,
  optimizer,
  augment = NO_AUGMENTATION,
  inputs,
  replicas = 1,
  schedule = 'cosine',
}: NumericsOptions): NumericsName[] {
  const operations: OperationName[] = [];
  // Every shard size has the same operations.
  bytesOf((memory) => operations.push(...planProgram(layout, { shardSize: 1, inputs }, memory).operations));
  const state = layout.trainable < layout.parameters ? (['follow'] as const) : [];
  const activations = layout.layers.map(({ spec }) => activationName(spec.kind)).filter((name) => name in CASES);
  // Shifts alone are 'augmentation', which every run has.
  const kinds = parseAugmentations(augment).flatMap(({ kind }) => (kind.stage === 'decode' ? [] : [kind]));
  const augmentations = kinds.length === 0 ? [] : [...kinds.map(augmentationCase), TOGETHER];
  const rounds = replicas > 1 ? (['rounds'] as const) : [];
  const table = isTable(schedule) ? (['scheduleTable'] as const) : [];
  const functions = [...optimizerOf(optimizer).functions, ...state, ...augmentations, ...rounds, ...table];
  const all = new Set<NumericsName>([...operations, ...activations, ...COMMON, ...functions]);
  return [...all].sort();
}

/** Digits of a digest that are compared between machines that don't deceive each other. */
const SHORT = 16;

/** What decides the bits of a run, each with the first digits of its digest. @param options undefined: all that this build has */
export function numericsByName(options?: NumericsOptions): Record<string, string> {
  const names = options === undefined ? NUMERICS_NAMES : numericsNames(options);
  return Object.fromEntries(names.map((name) => [name, operationDigest(name).slice(0, SHORT)]));
}

/** The numerics digest of a run: the SHA-256 over a line `<name> <digest>` for all that decides its bits. */
export function numericsOf(options: NumericsOptions): string {
  const hash = createHash('sha256');
  for (const name of numericsNames(options)) hash.update(`${name} ${operationDigest(name)}\n`);
  return hash.digest('hex');
}

/**
 * The digest of version 0.1.0, which was that of the kernel's bytes, stands for what LeNet-5's operations computed then: it is the same
 * as these digests of LeNet-5: softmax with Adam and SGD, then RBF.
 */
const VERSION_0_1_0 = {
  digest: '61ca76e0cca528e5b17723e9292bb51a4b7e5685d2214ab695df10590ae3b49f',
  standsFor: [
    'a1e0dc3b873aae2f4067481719b6b484f18e85553f48bde9b1a5762f3f085554',
    '2df1a0b253a719f2a321d2a11311d0d19814417a8c3000f648d9149ef30ba50e',
    'eeb68ea24a411d77c20a3b9625f6a7946244ca61b00b5f5981d4dfdfbd5f8a5d',
    '9017218969c6be77226bc2c916a6194c837f9cae0091e2d206449539d7f60717',
  ],
};

/** Whether a run with this numerics digest has the bits that this build computes; its samples may be bytes or floats. */
export function hasNumerics(digest: string, options: Omit<NumericsOptions, 'inputs'>): boolean {
  const own = (['uint8', 'float32'] as const).map((inputs) => numericsOf({ ...options, inputs }));
  if (own.includes(digest)) return true;
  return digest === VERSION_0_1_0.digest && own.some((each) => VERSION_0_1_0.standsFor.includes(each));
}
