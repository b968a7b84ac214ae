// npm install, then npm start. README.md says what to change for data of your own.
import { LockstepError, train } from 'lockstep';

// Ctrl-C ends the run after this step, with a checkpoint.
const stopping = new AbortController();
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => stopping.abort());

try {
  const run = await train(
    {
      data: 'points.csv',
      target: 'ring',
      model: 'model.json',
      iterations: 2000,
      learningRate: 0.01,
      evaluateEvery: 500,
      // The live page and the metrics, for Prometheus to find by targets.json.
      metricsPort: 9464,
      metricsTargets: 'monitoring/targets.json',
    },
    {
      signal: stopping.signal,
      onStart: ({ http }) => console.log(`Live page while it trains: ${http?.url}`),
      onEvaluation: ({ step, testAccuracy = 0 }) => {
        console.log(`step ${step}: ${(100 * testAccuracy).toFixed(1)} % of the test points`);
      },
      onNotice: ({ message }) => console.log(message),
    },
  );
  console.log(`${run.path}: ${run.state}, weights ${run.weightsSha256}`);

  if (run.state === 'finished') {
    const network = await run.network();
    const { className, probability = 0 } = network.predictRow({ x: 0.5, y: 0 });
    console.log(`The point (0.5, 0) is of the ${className}, by ${(100 * probability).toFixed(1)} %.`);
  } else {
    console.log('To continue: npx lockstep train --resume latest');
  }
} catch (error) {
  if (!(error instanceof LockstepError)) throw error;
  console.error(error.message);
  process.exitCode = error.exitCode;
}
