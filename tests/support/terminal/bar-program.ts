// Shows a bar on the terminal that it runs in, waits to be resized, continues, and exits with the bar still shown.
import { once } from 'node:events';
import { progressOf } from '#src/cli/progress/progress.js';
import { Terminal } from '#src/cli/terminal/terminal.js';
import { stepRecord } from '../step-record.ts';

const DEADLINE_MS = 300_000;

let time = 0;
/** Every look at the clock is a second later: no redraw is held back. */
const now = (): number => {
  time += 1000;
  return time;
};
const terminal = new Terminal({ stream: process.stderr, env: process.env, now });
const progress = progressOf({ terminal, steps: 4, batch: 128, now });
const step = (done: number, rest: object = {}): void =>
  progress.onStep?.(stepRecord(done, { loss: 0.5, accuracy: 0.75, ...rest }));

terminal.print(`columns ${process.stderr.columns}`);
step(1);
const deadline = setTimeout(() => process.exit(1), DEADLINE_MS);
const resized = once(process.stderr, 'resize');
terminal.print('waiting');
await resized;
clearTimeout(deadline);
terminal.print(`columns ${process.stderr.columns}`);
step(2, { testAccuracy: 0.5 });
step(3);
process.exit(3);
