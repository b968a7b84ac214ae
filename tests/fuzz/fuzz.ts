import assert from 'node:assert/strict';
import fc from 'fast-check';
import { closeCodes } from '#src/shared/wire/close-codes.js';
import { Attacker, type Outcome } from './attack.ts';
import type { Target } from './target.ts';
import { afterAuthentication, beforeAuthentication, type Volley } from './volleys.ts';

/** Connections at once; the coordinator allows 64 that have proved nothing. */
const AT_ONCE = 24;
/** Connections of one run of the property. */
const VOLLEYS = 120;
/** Rounds between two looks at the coordinator's memory and progress. */
const RUNS = 4;
/** Connections with the same bytes before an ending without a reason is taken for what they cause. */
const MAX_TRIES = 8;
/** How far the coordinator's memory may grow. */
const MAX_GROWTH_MEBIBYTES = 400;

export interface Counts {
  frames: number;
  connections: number;
  /** By the way in which they ended. */
  readonly endings: Map<string, number>;
}

export type Phase = 'before' | 'after';

/** Relative to authentication. */
const PHASES = [
  ['before', beforeAuthentication],
  ['after', afterAuthentication],
] as const;

export interface Fuzzing {
  readonly target: Target;
  readonly seed: number;
  /** Asked with the number of frames that were sent; both phases take turns until it says so. */
  readonly isEnough: (frames: number) => boolean;
  readonly onProgress?: (frames: number) => void;
}

export interface Report {
  /** By phase and kind. */
  readonly kinds: ReadonlyMap<string, Counts>;
  /** Resident memory of the coordinator in MiB. */
  readonly memory: { readonly before: number; readonly most: number; readonly after: number };
  /** Members that were given work and answered it badly. */
  readonly badMembers: number;
  /** Connections that ended without a reason and were made again, with the same bytes. */
  readonly repeated: number;
}

/** Throws volleys at a coordinator at work. @throws Error with fast-check's seed if it breaks, hangs, grows or ends a connection without a name */
export async function fuzz({ target, seed, isEnough, onProgress }: Fuzzing): Promise<Report> {
  const kinds = new Map<string, Counts>();
  const attacker = new Attacker(target);
  const before = target.residentMebibytes;
  let [most, sent, badMembers, repeated] = [before, 0, 0, 0];

  const round = async (phase: Phase, volleys: readonly Volley[]): Promise<void> => {
    const outcomes = await fireAll(attacker, volleys);
    for (const [i, first] of outcomes.entries()) {
      const volley = volleys[i] as Volley;
      let outcome = first;
      // On a busy machine a deadline passes now and then; what a volley causes, it causes again in a coordinator that gets on.
      for (let tries = 1; !isNamed(outcome.ending, volley) && tries < MAX_TRIES; tries++) {
        repeated++;
        await target.continues();
        outcome = await attacker.fire(volley);
      }
      assert.ok(isNamed(outcome.ending, volley), `a connection of "${volley.kind}" ended: ${outcome.ending}`);
      count(kinds, `${phase}: ${volley.kind}`, outcome);
      sent += outcome.frames;
      if (outcome.worked) badMembers++;
    }
    onProgress?.(sent);
  };

  for (let part = 0; part < PHASES.length || !isEnough(sent); part++) {
    const [phase, volley] = PHASES[part % PHASES.length] as (typeof PHASES)[number];
    const property = fc.asyncProperty(fc.array(volley, { minLength: VOLLEYS, maxLength: VOLLEYS }), (volleys) =>
      round(phase, volleys),
    );
    // A process that has broken can't be asked again.
    const options = { seed: seed + part, numRuns: RUNS, endOnFailure: true };
    const { failed, seed: used, counterexamplePath, errorInstance } = await fc.check(property, options);
    if (failed) {
      const place = `${phase} authentication, seed ${used}, path ${counterexamplePath}`;
      throw new Error(`${place}: ${(errorInstance as Error).message}`, { cause: errorInstance });
    }
    most = Math.max(most, target.residentMebibytes);
    assert.ok(most - before < MAX_GROWTH_MEBIBYTES, `the coordinator's memory grew from ${before} to ${most} MiB`);
    await target.continues();
  }
  return { kinds, memory: { before, most, after: target.residentMebibytes }, badMembers, repeated };
}

async function fireAll(attacker: Attacker, volleys: readonly Volley[]): Promise<Outcome[]> {
  const outcomes: Outcome[] = [];
  const queue = volleys.entries();
  const fireOn = async (): Promise<void> => {
    for (const [i, volley] of queue) outcomes[i] = await attacker.fire(volley);
  };
  await Promise.all(Array.from({ length: AT_ONCE }, fireOn));
  return outcomes;
}

function count(kinds: Map<string, Counts>, kind: string, { frames, ending }: Outcome): void {
  const counts = kinds.get(kind) ?? { frames: 0, connections: 0, endings: new Map() };
  counts.frames += frames;
  counts.connections++;
  counts.endings.set(ending, (counts.endings.get(ending) ?? 0) + 1);
  kinds.set(kind, counts);
}

/** Whether an ending gives its reason: a close code over WebSocket; below it what TCP, HTTP and WebSocket have. */
function isNamed(ending: string, { at, kind }: Volley): boolean {
  if (at === 'reset') return ending === 'reset';
  // The close frame is behind a megabyte, and is waited for only so long.
  if (kind === 'requests for data' && ending === 'dropped') return true;
  if (at === 'page') return /^(dropped|http (200|4\d\d|503))$/.test(ending);
  const isOurs = ending in closeCodes && ending !== 'stopping' && ending !== 'runOver';
  // A text that isn't one, and a message that is too long.
  if (isOurs || ending === '1007' || ending === '1009') return true;
  return (at === 'TCP' || at === 'HTTP' || at.endsWith('WebSocket')) && /^(dropped|http 4\d\d|\d{4})$/.test(ending);
}
