import type { TrainConfig } from '../../shared/config/config.ts';

/** A step that is evaluated and kept as a snapshot whatever the intervals are, to show the run's early state. */
const EARLY_STEP = 100;

export interface Due {
  readonly evaluation: boolean;
  readonly checkpoint: boolean;
  /** Whether the hash chain gets a link. */
  readonly link: boolean;
  /** Whether a round ends: what is asked for within it is done then. */
  readonly isRoundEnd: boolean;
}

type Rounds = Pick<TrainConfig, 'iterations' | 'syncEvery'>;
type Intervals = Rounds & Pick<TrainConfig, 'evaluateEvery' | 'checkpointEvery' | 'hashEvery'>;

const NOTHING: Due = { evaluation: false, checkpoint: false, link: false, isRoundEnd: false };

/** The last step of the round that a step belongs to. Steps are counted from 1. */
export function roundEnd({ iterations, syncEvery }: Rounds, step: number): number {
  return Math.max(step, Math.min(iterations, Math.ceil(step / syncEvery) * syncEvery));
}

/** The step after which the run's early state is evaluated and kept. */
export function earlyStep(rounds: Rounds): number {
  return roundEnd(rounds, EARLY_STEP);
}

/** What is due after a step: at the end of a round, whatever falls due within it. */
export function dueAt(config: Intervals, step: number): Due {
  const { iterations, syncEvery, evaluateEvery, checkpointEvery, hashEvery } = config;
  if (step !== roundEnd(config, step)) return NOTHING;
  const before = Math.floor((step - 1) / syncEvery) * syncEvery;
  const isPassed = (every: number): boolean => every > 0 && Math.floor(step / every) > Math.floor(before / every);
  const always = step === iterations || step === earlyStep(config);
  return {
    evaluation: always || isPassed(evaluateEvery),
    checkpoint: always || isPassed(checkpointEvery),
    link: isPassed(hashEvery),
    isRoundEnd: true,
  };
}
