import assert from 'node:assert/strict';
import { EventEmitter } from 'node:events';
import { describe, type TestContext, test } from 'node:test';
import { progressOf } from '#src/cli/progress/progress.js';
import { clock, duration } from '#src/cli/progress/texts.js';
import { Terminal } from '#src/cli/terminal/terminal.js';
import type { StepRecord } from '#src/coordinator/train/observer.js';
import { stepRecord } from '../../support/step-record.ts';
import { Screen } from '../../support/terminal/screen.ts';

const STEP_MS = 5;
const BATCH = 128;
const BAR = /[━─]/;

/** A stream that ends in a screen. */
class ScreenStream extends EventEmitter {
  readonly isTTY: boolean;
  columns: number;
  writes = 0;
  readonly screen: Screen;
  /** All that was written. */
  text = '';

  constructor(columns: number, isTTY: boolean) {
    super();
    this.isTTY = isTTY;
    this.columns = columns;
    this.screen = new Screen(columns);
  }

  write(text: string): void {
    this.writes += 1;
    this.text += text;
    this.screen.write(text);
  }

  resize(columns: number): void {
    this.columns = columns;
    this.screen.resize(columns);
    this.emit('resize');
  }
}

interface Setting {
  readonly columns?: number;
  readonly isTTY?: boolean;
  readonly env?: Readonly<Record<string, string>>;
  readonly steps?: number;
}

function watched(t: TestContext, { columns = 80, isTTY = true, env = {}, steps = 4000 }: Setting = {}) {
  const stream = new ScreenStream(columns, isTTY);
  const time = { now: 0 };
  const now = (): number => time.now;
  const terminal = new Terminal({ stream, env, now });
  t.after(() => terminal.clear());
  const progress = progressOf({ terminal, steps, batch: BATCH, now });
  const step = (done: number, rest: Partial<StepRecord> = {}): void => {
    time.now += STEP_MS;
    progress.onStep?.(stepRecord(done, rest));
  };
  return { stream, screen: stream.screen, time, terminal, progress, step };
}

describe('lines', () => {
  test('come every five seconds, at evaluations and at the end', (t) => {
    const { screen, step } = watched(t, { isTTY: false });
    for (let i = 1; i <= 4000; i++) step(i, i === 1500 ? { testAccuracy: 0.9875, validationAccuracy: 0.975 } : {});
    assert.deepEqual(screen.lines, [
      'step 1000/4000  loss 0.2500  accuracy 87.50 %  25,600 samples/s  15 s left',
      'step 1500/4000  loss 0.2500  accuracy 87.50 %  test 98.75 %  validation 97.50 %  25,600 samples/s  13 s left',
      'step 2500/4000  loss 0.2500  accuracy 87.50 %  25,600 samples/s  8 s left',
      'step 3500/4000  loss 0.2500  accuracy 87.50 %  25,600 samples/s  3 s left',
      'step 4000/4000  loss 0.2500  accuracy 87.50 %  25,600 samples/s',
      '',
    ]);
  });

  test('time a resumed run by its own steps', (t) => {
    const { screen, time, step } = watched(t, { isTTY: false, steps: 10_000 });
    time.now = 5995;
    step(9001, { timings: { total: 6 } });
    assert.match(screen.lines[0] ?? '', /^step {2}9001\/10000 .* 1 h 39 min left$/);
  });

  test('give the time left without that for which the first step was awaited', (t) => {
    const { screen, time, step } = watched(t, { isTTY: false, steps: 1000 });
    time.now = 3_600_000;
    step(1);
    assert.match(screen.lines[0] ?? '', /^step {4}1\/1000 .* 5 s left$/);
  });

  test('carry notices', (t) => {
    const { screen, progress } = watched(t, { isTTY: false });
    progress.onEvent?.({ kind: 'notice', message: 'a worker was replaced' });
    progress.onEvent?.({ kind: 'workers', node: 'local', counts: { starting: 0, ready: 1 } });
    assert.deepEqual(screen.lines, ['a worker was replaced', '']);
  });

  test('are plain text on a terminal that is dumb', (t) => {
    const { stream, step } = watched(t, { env: { TERM: 'dumb' } });
    for (let i = 1; i <= 1000; i++) step(i);
    assert.equal(stream.text, 'step 1000/4000  loss 0.2500  accuracy 87.50 %  25,600 samples/s  15 s left\n');
  });
});

describe('the bar', () => {
  // Drawn at step 1 and every 100 ms after it.
  const widths: readonly (readonly [number, string])[] = [
    [120, ` 981/4000 ${barOf(12, 37)}  loss 0.2500  accuracy  87.5 %  25,600 samples/s  0:15 left`],
    [80, ` 981/4000 ${barOf(2, 7)}  loss 0.2500  accuracy  87.5 %  25,600 samples/s  0:15 left`],
    [70, ` 981/4000 ${barOf(2, 10)}  loss 0.2500  acc  87.5 %  25,600/s  0:15 left`],
    [60, ` 981/4000 ${barOf(3, 12)}  loss 0.2500  25,600/s  0:15 left`],
    [40, ` 981/4000 ${barOf(4, 14)}  0:15 left`],
    [20, ` 981/4000 ${barOf(2, 7)}`],
    [11, ' 981/4000'],
    [8, '25 %'],
    [3, ''],
  ];
  for (const [columns, line] of widths) {
    test(`fits ${columns} columns`, (t) => {
      const { stream, screen, step } = watched(t, { columns, env: { NO_COLOR: '1' } });
      for (let i = 1; i <= 1000; i++) step(i);
      assert.deepEqual(screen.lines, [line]);
      assert.equal(stream.writes, 50);
      assert.ok(screen.rests);
    });
  }

  test('stays below evaluations and notices, and leaves them alone when it goes', (t) => {
    const { screen, terminal, progress, step } = watched(t);
    terminal.print('Training');
    for (let i = 1; i <= 500; i++) step(i, i === 500 ? { testAccuracy: 0.9875 } : {});
    progress.onEvent?.({ kind: 'notice', message: 'A worker was lost.' });
    const kept = [
      'Training',
      'step  500/4000  loss 0.2500  accuracy 87.50 %  test 98.75 %  25,600 samples/s',
      'A worker was lost.',
    ];
    assert.deepEqual(screen.lines.slice(0, -1), kept);
    assert.match(screen.lines.at(-1) ?? '', BAR);
    terminal.clear();
    assert.deepEqual(screen.lines, [...kept, '']);
    terminal.print('Done');
    assert.deepEqual(screen.lines, [...kept, 'Done', '']);
  });

  test('is drawn again, in one row, for every size of the terminal', (t) => {
    const { stream, screen, terminal, step } = watched(t, { columns: 120 });
    terminal.print('Training');
    step(1);
    for (const columns of [40, 20, 9, 3, 200, 80]) {
      stream.resize(columns);
      assert.equal(screen.rowsOfLast, 1, `${columns} columns`);
      assert.ok(screen.rests, `${columns} columns`);
    }
    assert.equal(screen.lines.length, 2);
    terminal.clear();
    assert.deepEqual(screen.lines, ['Training', '']);
    assert.equal(stream.listenerCount('resize'), 0);
  });

  test('may be a text, cut to the width, that is removed without a trace', (t) => {
    const { stream, screen, terminal } = watched(t, { columns: 20 });
    terminal.showText('Fetching train-images-idx3-ubyte: 12 %');
    assert.deepEqual(screen.lines, ['Fetching train-imag']);
    terminal.showText('');
    assert.deepEqual(screen.lines, ['']);
    const { stream: file, terminal: plain } = watched(t, { isTTY: false });
    plain.showText('Fetching train-images-idx3-ubyte: 12 %');
    assert.equal(file.text, '');
    assert.equal(stream.listenerCount('resize'), 0);
  });

  test('is cut, not wrapped, by a terminal that is narrower than it last reported', (t) => {
    const { screen, terminal, step } = watched(t, { columns: 120 });
    screen.resize(40);
    terminal.print('Training');
    step(1);
    assert.equal(screen.rowsOfLast, 1);
    assert.deepEqual(screen.lines.slice(0, -1), ['Training']);
  });

  test('assumes 80 columns if the terminal does not know', (t) => {
    const { stream, step } = watched(t, { columns: 0, env: { NO_COLOR: '1' } });
    stream.screen.resize(80);
    step(1);
    assert.equal(stream.screen.lines[0]?.length, 79);
  });

  test('has colours unless NO_COLOR is set, and characters that the locale has', (t) => {
    const shown = (env: Record<string, string>): string => {
      const { stream, step } = watched(t, { env, steps: 2 });
      step(1);
      return stream.text;
    };
    assert.ok(shown({}).includes('\x1b[36m━━━━'));
    assert.ok(!shown({ NO_COLOR: '1' }).includes('m━'));
    assert.match(shown({ NO_COLOR: '1' }), /1\/2 ━+─+ {2}/);
    assert.match(shown({ NO_COLOR: '1', LANG: 'C' }), /1\/2 #+\.+ {2}/);
    assert.match(shown({ NO_COLOR: '1', LANG: 'C', LC_ALL: 'en_US.UTF-8' }), /1\/2 ━+─+ {2}/);
    assert.match(shown({ NO_COLOR: '1', TERM: 'linux' }), /1\/2 #+\.+ {2}/);
  });

  test('gives the speed of the last second', (t) => {
    const { stream, step } = watched(t);
    for (let i = 1; i <= 200; i++) step(i);
    for (let i = 201; i <= 300; i++) step(i, { timings: { total: 0.01 } });
    stream.resize(80);
    assert.match(stream.screen.lines[0] ?? '', / 12,800 samples\/s /);
  });
});

test('times are short', () => {
  assert.deepEqual([0, 45.4, 185, 7805].map(clock), ['0:00', '0:45', '3:05', '2:10:05']);
  assert.deepEqual([0, 45.4, 185, 7805].map(duration), ['0 s', '45 s', '3 min 5 s', '2 h 10 min']);
});

function barOf(done: number, open: number): string {
  return '━'.repeat(done) + '─'.repeat(open);
}
