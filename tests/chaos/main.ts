// npm run chaos -- --schedules 220 --seed 1           so many of each kind, whose bits are compared:
//   --kind coordinator                                only coordinators that are killed and resumed
//   --kind nodes                                      only nodes and networks that are disturbed
//   --kind rounds                                     the same, of a job that is cut into replicas
//   --kind rounds-coordinator                         coordinators of such a job
//   --kind nodes --seed 1 --only 17                   one schedule again
// npm run chaos -- --kills 1000                       kills so many computing nodes one after the other
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import * as coordinators from './coordinator.ts';
import { killNodes } from './kills.ts';
import { schedules as nodeSchedules } from './node-schedule.ts';
import * as nodes from './nodes.ts';
import { Tally } from './tally.ts';

const AT_ONCE = 2;

/** Schedules, and what carries one out. */
interface Plan {
  readonly schedules: readonly unknown[];
  readonly carryOut: (index: number) => Promise<Tally>;
}

type Plans = Readonly<Record<string, (folder: string, count: number, seed: number) => Promise<Plan>>>;

const PLANS: Plans = {
  coordinator: (...args) => coordinatorPlan('steps', ...args),
  nodes: (...args) => nodesPlan('steps', ...args),
  rounds: (...args) => nodesPlan('rounds', ...args),
  'rounds-coordinator': (...args) => coordinatorPlan('rounds', ...args),
};

async function coordinatorPlan(
  job: keyof typeof coordinators.JOBS,
  folder: string,
  count: number,
  seed: number,
): Promise<Plan> {
  const expected = await coordinators.undisturbed(folder, coordinators.JOBS[job]);
  const schedules = coordinators.schedules(count, seed, expected);
  const carryOut = async (index: number): Promise<Tally> => {
    const schedule = schedules[index] as coordinators.Schedule;
    const tally = new Tally();
    tally.add('kill', await coordinators.disturb(join(folder, String(index)), schedule, expected));
    return tally;
  };
  return { schedules, carryOut };
}

async function nodesPlan(job: nodes.JobName, folder: string, count: number, seed: number): Promise<Plan> {
  const expected = nodes.undisturbed(folder, job);
  const schedules = nodeSchedules(count, seed);
  const carryOut = (index: number): Promise<Tally> =>
    nodes.disturb(join(folder, String(index)), schedules[index] as (typeof schedules)[number], expected);
  return { schedules, carryOut };
}

const { values } = parseArgs({
  options: {
    schedules: { type: 'string', default: '220' },
    seed: { type: 'string', default: '1' },
    kind: { type: 'string' },
    only: { type: 'string' },
    kills: { type: 'string' },
  },
});

function wholeNumber(name: 'schedules' | 'seed' | 'only' | 'kills', least: number): number {
  const value = Number(values[name]);
  if (Number.isInteger(value) && value >= least) return value;
  return refuse(`--${name}: expected a whole number from ${least} on, but got ${values[name]}.`);
}

function refuse(message: string): never {
  console.error(message);
  process.exit(2);
}

/** @returns how many schedules failed */
async function carryOut(kind: string, folder: string): Promise<number> {
  const seed = wholeNumber('seed', 0);
  const only = values.only === undefined ? undefined : wholeNumber('only', 0);
  const count = only === undefined ? wholeNumber('schedules', 1) : only + 1;
  const plan = await (PLANS[kind] as Plans[string])(folder, count, seed);
  const queue = only === undefined ? [...plan.schedules.keys()] : [only];
  const [tally, carried, start] = [new Tally(), queue.length, performance.now()];
  let failed = 0;
  const work = async (): Promise<void> => {
    for (let index = queue.shift(); index !== undefined; index = queue.shift()) {
      try {
        tally.merge(await plan.carryOut(index));
      } catch (error) {
        failed++;
        console.error(`FAILED: ${kind} schedule ${index} of --seed ${seed}: ${JSON.stringify(plan.schedules[index])}`);
        console.error(`${error}\nIts files stay in ${join(folder, String(index))}.`);
        console.error(`Once more: npm run chaos -- --kind ${kind} --seed ${seed} --only ${index}`);
      }
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, work));
  const seconds = ((performance.now() - start) / 1000 / carried).toFixed(1);
  console.log(`${kind}: ${carried} schedules, ${seconds} s each, ${failed} failed. What happened: ${tally}.`);
  return failed;
}

const kind = values.kind ?? (values.kills === undefined ? undefined : 'kills');
const kinds = kind === undefined ? Object.keys(PLANS) : [kind];
if (kind === undefined && values.only !== undefined) refuse('--only: say of which --kind.');
if (kind !== undefined && kind !== 'kills' && !(kind in PLANS)) {
  refuse(`--kind: expected ${Object.keys(PLANS).join(', ')} or kills, but got ${kind}.`);
}

let failed = 0;
for (const each of kinds) {
  const folder = mkdtempSync(join(tmpdir(), 'lockstep-chaos-'));
  if (each === 'kills') {
    const kills = values.kills === undefined ? 1000 : wholeNumber('kills', 1);
    const start = performance.now();
    const runs = await killNodes(folder, kills);
    console.log(
      `${kills} nodes killed in ${runs} runs, ${((performance.now() - start) / 1000).toFixed(0)} s; same bits.`,
    );
  } else failed += await carryOut(each, folder);
  if (failed === 0) rmSync(folder, { recursive: true });
}
process.exitCode = failed === 0 ? 0 : 1;
