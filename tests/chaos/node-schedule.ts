import { uniformStream } from '../support/reference/random.ts';
import { type Direction, FRAME_FAULTS, type FrameFault, type Where, type Fault as WireFault } from './wire/faults.ts';

export const ITERATIONS = 160;
/** Events happen at a checkpoint's step: the files of a run directory that appear at once. */
export const EVERY = 10;
/** Nodes take a coordinator for dead after 10 seconds. */
const SUSPENDED_MS = 12_000;
const FIRST = 20;
const LAST = 130;

export const EVENT_KINDS = [
  ...(['join', 'leave', 'kill', 'stop', 'crash', 'unreachable'] as const),
  ...(['stall', 'suspend', 'setBack'] as const),
  ...(['cut', 'halfOpen', 'delay', 'slowReader', 'slowLink'] as const),
  ...FRAME_FAULTS,
] as const;
export type EventKind = (typeof EVENT_KINDS)[number];

/** What happens to processes and to the network; `node` picks one of those that are there. */
export type Action =
  | { readonly kind: 'join' | 'crash' }
  | { readonly kind: 'leave' | 'kill'; readonly node: number }
  | { readonly kind: 'stop'; readonly node: number; readonly during: number }
  | { readonly kind: 'unreachable'; readonly during: number }
  /** All threads of the coordinator and of all nodes stall at once. */
  | { readonly kind: 'stall'; readonly during: number }
  /** The coordinator's process is suspended, for longer than its nodes wait for it. */
  | { readonly kind: 'suspend'; readonly during: number }
  /** The wall clocks of all processes are set back by so many seconds. */
  | { readonly kind: 'setBack'; readonly seconds: number }
  | { readonly kind: 'wire'; readonly where: Where; readonly fault: WireFault };

export interface ChaosEvent {
  /** Once the run has come to this step. */
  readonly step: number;
  readonly action: Action;
}

export interface NodeSchedule {
  /** Processes at the start. */
  readonly nodes: number;
  /** The coordinator's own. */
  readonly workers: 0 | 1;
  /** Nodes have no data set: they receive it while they are disturbed. */
  readonly lacksData: boolean;
  readonly events: readonly ChaosEvent[];
}

type Below = (bound: number) => number;

/** Each a pure function of seed and index; the kinds of the first two events go through all kinds in turn. */
export function schedules(count: number, seed: number): NodeSchedule[] {
  return Array.from({ length: count }, (_, index) => {
    const uniform = uniformStream(seed + 1000 * index);
    const below: Below = (bound) => Math.floor(((uniform() + 1) / 2) * bound);
    const kinds = Array.from({ length: 4 + below(4) }, (_, i) => {
      return EVENT_KINDS[i < 2 ? (2 * index + i) % EVENT_KINDS.length : below(EVENT_KINDS.length)] as EventKind;
    });
    const steps = kinds.map(() => FIRST + EVERY * below((LAST - FIRST) / EVERY)).sort((a, b) => a - b);
    const events = kinds.map((kind, i) => ({ step: steps[i] as number, action: actionOf(kind, below) }));
    const nodes = 3 + below(3);
    const workers = below(2) as 0 | 1;
    return { nodes, workers, lacksData: workers === 0 && below(2) === 0, events };
  });
}

function actionOf(kind: EventKind, below: Below): Action {
  const connection = below(8);
  switch (kind) {
    case 'join':
    case 'crash':
      return { kind };
    case 'leave':
    case 'kill':
      return { kind, node: below(8) };
    case 'stop':
      return { kind, node: below(8), during: 100 + below(1500) };
    case 'unreachable':
      return { kind, during: 200 + below(800) };
    case 'stall':
      return { kind, during: 100 + below(1500) };
    case 'suspend':
      return { kind, during: SUSPENDED_MS };
    case 'setBack':
      return { kind, seconds: 1 + below(30 * 86_400) };
    default: {
      const where = connection === 0 ? 'all' : connection;
      return { kind: 'wire', ...wireFault(kind, where, below) };
    }
  }
}

function wireFault(
  kind: WireFault['kind'],
  where: Where,
  below: Below,
): { readonly where: Where; readonly fault: WireFault } {
  switch (kind) {
    case 'cut':
      return { where, fault: { kind } };
    case 'halfOpen':
      return { where, fault: { kind, cutAfter: below(4) === 0 ? undefined : 300 + below(1500) } };
    case 'delay':
      return { where, fault: { kind, by: 5 + below(300), during: 100 + below(900) } };
    case 'slowLink':
      return { where, fault: { kind, bytesPerSecond: 400_000, latency: below(50), during: 500 + below(3000) } };
    case 'slowReader':
      return { where, fault: { kind, during: 300 + below(1200) } };
    default: {
      // A third hits the handshake of a connection that is still to come.
      const isNew = below(3) === 0;
      return { where: isNew ? 'next' : where, fault: frameFault(kind, { skip: below(isNew ? 3 : 6), below }) };
    }
  }
}

function frameFault(
  kind: FrameFault['kind'],
  { skip, below }: { readonly skip: number; readonly below: Below },
): FrameFault {
  const direction: Direction = below(2) === 0 ? 'toNode' : 'toCoordinator';
  const within = below(2) === 0 ? 'head' : 'whole';
  return { kind, direction, skip, at: below(2 ** 20) / 2 ** 20, within, cuts: below(2) === 0 };
}
