// npm run bench:networks [-- ROUNDS [MODEL…]]    whole training steps of networks beside PyTorch's and tfjs-node's
//
// A model is a preset or a file that --model takes. A step is forward and backward pass and Adam's update at batch 128 in
// float32 on one thread. Rounds of about a second are interleaved; a ratio is of the same round's, and medians are printed, of
// the time on the clock and of that on the processor, for which other programs count less.
// PYTORCH_PYTHON names a Python with PyTorch (default: python3); `npm run setup:tfjs` installs native TensorFlow.
import { benchDataset } from '#src/cli/bench/images.js';
import { median } from '#src/cli/bench/median.js';
import { specFor } from '#src/library/model.js';
import { resolveTrainConfig } from '#src/shared/config/config.js';
import { tfjsProblem } from '#src/shared/engine/tfjs/load.js';
import { layoutOf } from '#src/shared/model/layout.js';
import { typicalData } from '#src/shared/model/registry.js';
import { LockstepError } from '#src/shared/util/errors.js';
import { LockstepTrainer } from './peers/lockstep.ts';
import { pytorchProblem, pytorchTrainers } from './peers/pytorch.ts';
import { TfjsTrainer } from './peers/tfjs.ts';
import type { Job, Measured, Trainer } from './peers/trainer.ts';

const BATCH = 128;
const SECONDS = 1;
/** Of a trainer's first measurement. */
const FIRST_STEPS = 2;
const MODELS = ['lenet5-relu', 'vgg-small', 'resnet8', 'resnet20'];

/** A trainer with its measurements, in seconds a step. */
class Contestant {
  readonly trainer: Trainer;
  readonly rounds: Measured[] = [];
  #steps = 0;

  constructor(trainer: Trainer) {
    this.trainer = trainer;
  }

  /** Lets engines compile, and finds how many steps make a round. */
  async warmUp(): Promise<void> {
    let processor = 0;
    for (this.#steps = FIRST_STEPS; ; this.#steps *= 2) {
      ({ processor } = await this.trainer.measure(this.#steps));
      if (processor >= SECONDS / 2) break;
    }
    this.#steps = Math.max(1, Math.round((this.#steps * SECONDS) / processor));
    await this.trainer.measure(this.#steps);
  }

  async measure(): Promise<void> {
    const { seconds, processor } = await this.trainer.measure(this.#steps);
    this.rounds.push({ seconds: seconds / this.#steps, processor: processor / this.#steps });
  }

  median(of: keyof Measured): number {
    return median(this.rounds.map((round) => round[of]));
  }

  /** How many times as fast as another it is: the median of the rounds' ratios. */
  speedup(other: Contestant, of: keyof Measured): number {
    return median(this.rounds.map((round, i) => (other.rounds[i]?.[of] ?? Number.NaN) / round[of]));
  }
}

async function jobOf(model: string): Promise<Job> {
  const { config } = resolveTrainConfig({ flags: { model }, env: process.env });
  const layout = layoutOf(await specFor(config, typicalData(config.model), console.error));
  return { layout, train: benchDataset(layout).train, batch: BATCH, learningRate: config.learningRate };
}

async function compare(job: Job, rounds: number): Promise<void> {
  const own = new Contestant(new LockstepTrainer(job));
  const peers = [...pytorchTrainers(job), new TfjsTrainer(job)].map((trainer) => new Contestant(trainer));
  const all = [own, ...peers];
  try {
    for (const contestant of all) await contestant.warmUp();
    for (let round = 0; round < rounds; round++) for (const contestant of all) await contestant.measure();
  } finally {
    for (const { trainer } of all) await trainer.close();
  }
  const columns = (cells: readonly string[]): string => cells.map((cell) => cell.padStart(18)).join('');
  const figures = (of: (key: keyof Measured) => string) => [of('seconds'), of('processor')];
  console.log();
  console.log(
    job.layout.spec.name.padEnd(24) + columns(['ms a step, clock', 'processor', 'ratio, clock', 'processor']),
  );
  for (const contestant of all) {
    const cells = figures((key) => (1e3 * contestant.median(key)).toFixed(1));
    if (contestant !== own) cells.push(...figures((key) => own.speedup(contestant, key).toFixed(2)));
    console.log(contestant.trainer.name.padEnd(24) + columns(cells));
  }
}

const [rounds = '9', ...models] = process.argv.slice(2);
const missing = [await pytorchProblem(), tfjsProblem()].filter((problem) => problem !== undefined);
for (const problem of missing) console.error(problem);
if (missing.length > 0) process.exit(2);
console.log(`Node ${process.version}, medians of ${rounds} rounds; a ratio is how many times as fast Lockstep is`);
try {
  for (const model of models.length > 0 ? models : MODELS) await compare(await jobOf(model), Number(rounds));
} catch (error) {
  if (!(error instanceof LockstepError)) throw error;
  console.error(error.message);
  process.exitCode = error.exitCode;
}
