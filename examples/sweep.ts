// Trains with several learning rates, and draws the curves of their losses:
//
//     node sweep.ts --rates 0.0003,0.001,0.003,0.01 --svg rates.svg
//     node sweep.ts --data synthetic --iterations 100
//
// `lockstep sweep` does this for any options, several at a time, and continues if it is stopped.
//
// `node sweep.ts` needs Node 22.18 or later (else see README.md), and `"type": "module"` in package.json.
import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { train } from 'lockstep';

const { values } = parseArgs({
  options: {
    data: { type: 'string', default: 'mnist' },
    iterations: { type: 'string', default: '500' },
    rates: { type: 'string', default: '0.0003,0.001,0.003,0.01' },
    svg: { type: 'string', default: 'rates.svg' },
  },
});

const [WIDTH, HEIGHT, MARGIN] = [720, 400, 48];
const COLOURS = ['#0072b2', '#d55e00', '#009e73', '#cc79a7', '#e69f00', '#56b4e9'];
const SMOOTHING = 0.95;

interface Curve {
  readonly rate: number;
  readonly losses: readonly number[];
  readonly accuracy: number;
}

async function curveOf(rate: number): Promise<Curve> {
  const losses: number[] = [];
  const out = join(mkdtempSync(join(tmpdir(), 'sweep-')), `rate-${rate}`);
  const options = { data: values.data, iterations: Number(values.iterations), learningRate: rate, out };
  const run = await train(options, {
    onStep: ({ loss }) => losses.push(SMOOTHING * (losses.at(-1) ?? loss) + (1 - SMOOTHING) * loss),
  });
  return { rate, losses, accuracy: run.result.testAccuracy ?? 0 };
}

/** Losses on a logarithmic scale, over the steps. */
function pictureOf(curves: readonly Curve[]): string {
  const logs = curves.flatMap(({ losses }) => losses.map(Math.log));
  const [least, most] = [Math.min(...logs), Math.max(...logs)];
  const y = (loss: number) => MARGIN + ((most - Math.log(loss)) / (most - least || 1)) * (HEIGHT - 2 * MARGIN);
  const parts = curves.map(({ rate, losses, accuracy }, i) => {
    const x = (step: number) => MARGIN + (step / Math.max(1, losses.length - 1)) * (WIDTH - 2 * MARGIN);
    const points = losses.map((loss, step) => `${x(step).toFixed(1)},${y(loss).toFixed(1)}`).join(' ');
    const text = `${rate}: ${(100 * accuracy).toFixed(2)} %`;
    return `<polyline fill="none" stroke="${COLOURS[i % COLOURS.length]}" points="${points}"/>
<text x="${WIDTH - MARGIN}" y="${MARGIN + 18 * i}" text-anchor="end" fill="${COLOURS[i % COLOURS.length]}">${text}</text>`;
  });
  const ticks = [most, least].map(
    (log) => `<text x="4" y="${y(Math.exp(log))}">${Math.exp(log).toPrecision(2)}</text>`,
  );
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${HEIGHT}" font-family="sans-serif" font-size="13">
<text x="${MARGIN}" y="20">Training loss by learning rate</text>
${[...ticks, ...parts].join('\n')}
</svg>
`;
}

const curves: Curve[] = [];
for (const rate of values.rates.split(',').map(Number)) {
  const curve = await curveOf(rate);
  curves.push(curve);
  console.log(`learning rate ${rate}: ${(100 * curve.accuracy).toFixed(2)} %`);
}
writeFileSync(values.svg, pictureOf(curves));
console.log(`The curves are in ${values.svg}.`);
