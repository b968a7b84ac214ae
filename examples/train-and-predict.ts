// Trains LeNet-5 on MNIST, and says which digits pictures show:
//
//     node train-and-predict.ts seven.png
//     node train-and-predict.ts seven.png --data synthetic --iterations 200
//
// `node train-and-predict.ts` needs Node 22.18 or later (else see README.md), and `"type": "module"` in package.json.
import { parseArgs } from 'node:util';
import { train } from 'lockstep';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    data: { type: 'string', default: 'mnist' },
    iterations: { type: 'string', default: '2000' },
    out: { type: 'string' },
  },
});

const run = await train(
  { data: values.data, iterations: Number(values.iterations), out: values.out },
  {
    onStart: ({ dataset }) => console.log(`Training on ${dataset}.`),
    onEvaluation: ({ step, testAccuracy = 0 }) => console.log(`step ${step}: ${(100 * testAccuracy).toFixed(2)} %`),
    onNotice: ({ message }) => console.error(message),
  },
);
console.log(`Saved in ${run.path}; the weights' SHA-256 is ${run.weightsSha256}.`);

const network = await run.network();
for await (const found of network.predictions(positionals)) {
  if ('problem' in found) console.log(`${found.picture}: ${found.problem}`);
  else console.log(`${found.picture}: ${found.className} (${(100 * (found.probability ?? 0)).toFixed(1)} %)`);
}
