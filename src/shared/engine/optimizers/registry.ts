// The optimizers. A file beside this one and its entry here are all that a new one needs: the choices of --optimizer, the options and
// their help texts, default weight decay, the state in memory and in checkpoints, and the update follow from them.
import { adam } from './adam.ts';
import { adamw } from './adamw.ts';
import type { NumberOption, OptimizerKind } from './kind.ts';
import { sgd } from './sgd.ts';

const OPTIMIZERS = { adam, adamw, sgd } as const;

/** The options that only some optimizers use, in the order of help. */
export const OPTIMIZER_OPTIONS = { ...sgd.options, ...adam.options } as const satisfies Record<string, NumberOption>;

export type OptimizerName = keyof typeof OPTIMIZERS;
export type OptimizerOption = keyof typeof OPTIMIZER_OPTIONS;

export const OPTIMIZER_NAMES = Object.keys(OPTIMIZERS) as readonly OptimizerName[];

export function isOptimizer(name: string): name is OptimizerName {
  return Object.hasOwn(OPTIMIZERS, name);
}

export function optimizerOf(name: OptimizerName): OptimizerKind<OptimizerOption> {
  return OPTIMIZERS[name];
}

/** What an option's help says: who uses it, and what for. */
export function optionHelp(option: OptimizerOption): string {
  return `${namesOf(({ options }) => option in options)}: ${OPTIMIZER_OPTIONS[option].help}`;
}

export function weightDecayHelp(): string {
  const [added, apart] = (['gradient', 'decoupled'] as const).map((decay) => namesOf((kind) => kind.decay === decay));
  return `${added}: L2 penalty added to the gradient; ${apart}: decay apart from the gradient`;
}

/** The default weight decay of each optimizer, in words. */
export function defaultWeightDecayText(): string {
  const texts = OPTIMIZER_NAMES.map((name) => ({ name, decay: optimizerOf(name).defaultWeightDecay }))
    .filter(({ decay }) => decay !== 0)
    .map(({ name, decay }) => `${decay} with ${name}`);
  return [...texts, 'else 0'].join(', ');
}

function namesOf(isMeant: (kind: OptimizerKind<OptimizerOption>) => boolean): string {
  return OPTIMIZER_NAMES.filter((name) => isMeant(optimizerOf(name))).join(', ');
}
