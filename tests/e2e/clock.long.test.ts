// The wall clock is set while real processes run: a preloaded module moves what `Date` says, and nothing else.
import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { pathToFileURL } from 'node:url';
import { lockstep, manifestOf, type Program, startLockstep } from '../support/program.ts';

const folder = mkdtempSync(join(tmpdir(), 'lockstep-clock-'));
const started: Program[] = [];
after(() => {
  for (const { signal } of started) signal('SIGKILL');
  rmSync(folder, { recursive: true });
});

/** Moves the wall clock of its process and threads by the seconds in the file $CLOCK, as soon as that is there. */
const preload = join(folder, 'clock.mjs');
writeFileSync(
  preload,
  `import { readFileSync } from 'node:fs';
const System = Date;
const moved = () => {
  try {
    return System.now() + 1000 * Number(readFileSync(process.env.CLOCK, 'utf8'));
  } catch {
    return System.now();
  }
};
globalThis.Date = class extends System {
  constructor(...args) {
    super(...(args.length === 0 ? [moved()] : args));
  }
  static now() {
    return moved();
  }
};
`,
);

const SMALL = ['--batch', '16', '--data', 'synthetic', '--schedule', 'constant'];
const QUIET = ['--metrics-port', 'off', '--json'];
/** More than thirty years, in seconds. */
const AGES = 1_000_000_000;

function start(args: readonly string[], clock: string): Program {
  const program = startLockstep(args, { NODE_OPTIONS: `--import=${pathToFileURL(preload)}`, CLOCK: clock });
  started.push(program);
  return program;
}

interface Result {
  readonly seconds: number;
  readonly samplesPerSecond: number;
  readonly chain: string;
}

interface Timings {
  readonly at: number;
  readonly total: number;
  readonly phases: Readonly<Record<string, number>>;
}

/** Asserts that durations are possible ones, neither negative nor longer than the test, and that the steps' times rise. */
function assertDurations(run: string, result: Result): void {
  const most = performance.now() / 1000;
  const lines = readFileSync(join(run, 'steps.jsonl'), 'utf8').trimEnd().split('\n');
  const timings = lines.map((line) => JSON.parse(line).timings as Timings);
  for (const { total, phases } of timings) {
    for (const seconds of [total, ...Object.values(phases)])
      assert.ok(seconds >= 0 && seconds <= most, String(seconds));
  }
  assert.ok(result.seconds > 0 && result.seconds <= most, `${result.seconds} seconds`);
  assert.ok(result.samplesPerSecond > 0);
  for (const [i, { at }] of timings.entries())
    assert.ok(i === 0 || at > (timings[i - 1] as Timings).at, `line ${i + 1}`);
}

/** Sets the clock at the first step, and stops the run after it. @returns its result */
async function setAndStopped(run: string, args: readonly string[], seconds: number): Promise<Result> {
  const clock = join(folder, `clock-${started.length}`);
  const program = start(['train', ...args, ...QUIET], clock);
  await program.said(/^step +\d/);
  writeFileSync(clock, String(seconds));
  program.signal('SIGTERM');
  const { status, stdout, stderr } = await program.ended;
  assert.equal(status, 143, stderr);
  const result = JSON.parse(stdout);
  assertDurations(run, result);
  assert.deepEqual(manifestOf(run).result, result);
  return result;
}

describe('a clock that is set while a run trains', () => {
  for (const [way, seconds] of [
    ['back', -AGES],
    ['forward', AGES],
  ] as const) {
    it(`${way} changes no duration, also not those of a resumed run`, async () => {
      const run = join(folder, way);
      await setAndStopped(run, [...SMALL, '--workers', '1', '--iterations', '1000000', '--out', run], seconds);
      await setAndStopped(run, ['--resume', run], seconds);
      const { status, stdout } = lockstep(['verify', run, '--data', 'synthetic', '--json']);
      assert.equal(status, 0, stdout);
    });
  }

  it('back and forward loses no node, and changes no bits', async () => {
    const steps = ['train', ...SMALL, ...QUIET, '--iterations', '1000', '--evaluate-every', '400'];
    const alone = lockstep([...steps, '--workers', '1', '--out', join(folder, 'alone')]);
    assert.equal(alone.status, 0, alone.stderr);
    const clock = join(folder, 'clock-of-all');
    const run = join(folder, 'with-node');
    const coordinator = start([...steps, '--workers', '0', '--listen', '127.0.0.1:0', '--out', run], clock);
    const url = (await coordinator.said(/^Nodes can connect/)).split(' ').at(-1) as string;
    const node = start(['worker', '--connect', url, '--threads', '1'], clock);
    await coordinator.said(/^step +\d/);
    writeFileSync(clock, String(-AGES));
    await coordinator.said(/^step +400\//);
    writeFileSync(clock, String(AGES));
    const { status, stdout, stderr } = await coordinator.ended;
    assert.equal(status, 0, stderr);
    assert.doesNotMatch(stderr, /lost|silent|gone|slow/);
    assert.equal(JSON.parse(stdout).chain, JSON.parse(alone.stdout).chain);
    assertDurations(run, JSON.parse(stdout));
    assert.equal((await node.ended).status, 0);
  });
});
