// npm run bench:peers                                      whole training steps beside PyTorch, TensorFlow and tfjs-node
// npm run bench:peers -- --rounds 5 --models lenet5,mine.json --only pytorch,lockstep --threads 1,4
// npm run bench:peers -- --kernels avx2                    Lockstep by these kernels (wasm,auto)
// npm run bench:peers -- --json FILE --svg FILE --markdown results as data, as a picture, as the tables of docs/benchmarks.md
//
// A model is a preset or a file that --model takes. A step is forward and backward pass and Adam's update at batch 128 in float32.
// Every program takes the same weights and the same first batch, and its losses must be Lockstep's; then the fastest of its settings
// is chosen, and rounds of about a second are interleaved. The first call makes a Python environment in the user's cache (about
// 7 GB) and installs native TensorFlow for tfjs-node; PYTORCH_PYTHON names another Python that has requirements.txt.
import { writeFileSync } from 'node:fs';
import { availableParallelism, cpus } from 'node:os';
import { resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { benchDataset } from '#src/cli/bench/images.js';
import { specFor } from '#src/library/model.js';
import { resolveTrainConfig } from '#src/shared/config/config.js';
import type { Split } from '#src/shared/data/dataset.js';
import { chooseKernel } from '#src/shared/engine/kernel-choice.js';
import type { KernelName, KernelTarget } from '#src/shared/engine/kernel-name.js';
import { tfjsProblem } from '#src/shared/engine/tfjs/load.js';
import { initialWeights } from '#src/shared/model/initialize.js';
import { layoutOf, type ModelLayout } from '#src/shared/model/layout.js';
import { typicalData } from '#src/shared/model/registry.js';
import { BackendError, LockstepError, UsageError } from '#src/shared/util/errors.js';
import { uniformStream } from '../../tests/support/reference/random.ts';
import { chartOf } from './chart.ts';
import { Contestant } from './contestant.ts';
import { LockstepTrainer } from './lockstep.ts';
import { checkLosses, referenceLosses } from './losses.ts';
import { ddpTrainer, pytorchTrainer, tensorflowTrainer, tfjsTrainer } from './process-trainer.ts';
import { pythonWith, succeeds } from './python.ts';
import { type Entry, heading, type ModelResult, markdownTable, resultOf, settingsText, textTable } from './report.ts';
import { type Job, PEERS, type Peer, type Trainer } from './trainer.ts';

const BATCH = 128;
/** Shards of a batch: workers beyond these would have nothing to do. */
const MAX_THREADS = 16;
const SETUP_TFJS = fileURLToPath(new URL('../../../tools/setup-tfjs.js', import.meta.url));

const { values } = parseArgs({
  options: {
    rounds: { type: 'string', default: '9' },
    seconds: { type: 'string', default: '1' },
    models: { type: 'string', default: 'lenet5,lenet5-relu,mlp,resnet8' },
    only: { type: 'string', default: PEERS.join(',') },
    threads: { type: 'string', default: [...new Set([1, 2, Math.min(MAX_THREADS, availableParallelism())])].join(',') },
    kernels: { type: 'string', default: 'wasm,auto' },
    json: { type: 'string' },
    svg: { type: 'string' },
    markdown: { type: 'boolean', default: false },
  },
});

interface Plan {
  readonly peers: readonly Peer[];
  /** Lockstep's. */
  readonly kernels: readonly KernelTarget[];
  readonly threads: readonly number[];
  /** With PyTorch and TensorFlow, if they take part. */
  readonly python: string;
}

async function planOf(): Promise<Plan> {
  const peers = values.only.split(',') as Peer[];
  const unknown = peers.find((peer) => !PEERS.includes(peer));
  if (unknown !== undefined) throw new UsageError(`--only ${unknown}: expected some of ${PEERS.join(', ')}.`);
  const threads = numbersOf('threads', values.threads);
  const kernels = [...new Set(values.kernels.split(',').map((name) => chooseKernel(name as KernelName).target))];
  if (peers.includes('tfjs') && tfjsProblem() !== undefined) {
    if (!(await succeeds(process.execPath, [SETUP_TFJS], true)))
      throw new BackendError('tfjs-node has no set-up here.');
  }
  const modules = [['pytorch', 'torch'] as const, ['tensorflow', 'tensorflow'] as const]
    .filter(([peer]) => peers.includes(peer))
    .map(([, name]) => name);
  return { peers, kernels, threads, python: modules.length === 0 ? '' : await pythonWith(modules, process.env) };
}

function numbersOf(name: string, text: string): number[] {
  const numbers = text.split(',').map(Number);
  if (numbers.every((each) => Number.isInteger(each) && each > 0)) return numbers;
  throw new UsageError(`--${name} ${text}: expected whole numbers from 1 on.`);
}

async function jobOf(model: string): Promise<Job> {
  const { config } = resolveTrainConfig({ flags: { model }, env: process.env });
  const layout = layoutOf(await specFor(config, typicalData(config.model), console.error));
  const weights = initialWeights(layout, config.seed, Math.sqrt);
  return { layout, train: samplesFor(layout), batch: BATCH, learningRate: config.learningRate, weights };
}

/**
 * With classes at random: what is soon learned leaves gradients that vanish, which real training doesn't have, whose denormals some
 * programs flush and others don't, and losses so small that their rounding errors aren't.
 */
function samplesFor(layout: ModelLayout): Split {
  const { train } = benchDataset(layout);
  const uniform = uniformStream(1);
  const targets = Uint16Array.from({ length: train.count }, () => Math.floor(((uniform() + 1) / 2) * layout.classes));
  return { ...train, targets };
}

/** Those of a number of threads. */
function trainersOf(job: Job, { peers, kernels, python }: Plan, threads: number): Trainer[] {
  const makers: Record<Peer, () => Trainer[]> = {
    lockstep: () => kernels.map((kernel) => new LockstepTrainer(job, threads, kernel)),
    pytorch: () => [
      pytorchTrainer(job, python, threads),
      ...(threads > 1 && BATCH % threads === 0 ? [ddpTrainer(job, python, threads)] : []),
    ],
    tensorflow: () => [tensorflowTrainer(job, python, threads)],
    tfjs: () => [tfjsTrainer(job, threads)],
  };
  return PEERS.filter((peer) => peers.includes(peer)).flatMap((peer) => makers[peer]());
}

async function compare(model: string, plan: Plan, rounds: number): Promise<[ModelResult, Record<string, string>]> {
  const job = await jobOf(model);
  const expected = await referenceLosses(new LockstepTrainer(job, 1, 'wasm'));
  const trainers = plan.threads.flatMap((threads) => trainersOf(job, plan, threads));
  const versions = {};
  try {
    const entries: Entry[] = [];
    for (const trainer of trainers) {
      Object.assign(versions, await trainer.versions());
      console.error(`${model}: ${trainer.name}, ${trainer.threads}`);
      const checked = await checkLosses(trainer, expected);
      const contestant = new Contestant(trainer, Number(values.seconds));
      await contestant.choose(checked.settings);
      entries.push({ contestant, checked });
    }
    for (let round = 0; round < rounds; round++) for (const { contestant } of entries) await contestant.measure();
    return [resultOf(job.layout.spec.name, BATCH, entries), versions];
  } finally {
    await Promise.all(trainers.map((trainer) => trainer.close()));
  }
}

/** A path as the person who typed it meant it: npm runs scripts in the package's folder. */
function pathOf(file: string): string {
  return resolve(process.env.INIT_CWD ?? '.', file);
}

async function main(): Promise<void> {
  const [rounds = 1] = numbersOf('rounds', values.rounds);
  if (!(Number(values.seconds) > 0)) throw new UsageError(`--seconds ${values.seconds}: expected a number above 0.`);
  const plan = await planOf();
  const machine = `${cpus()[0]?.model.trim()}, ${availableParallelism()} processors, native kernel ${chooseKernel('auto').target}`;
  const models: ModelResult[] = [];
  const versions: Record<string, string> = { Node: process.versions.node };
  for (const model of values.models.split(',')) {
    const [result, own] = await compare(model, plan, rounds);
    models.push(result);
    Object.assign(versions, own);
    if (!values.markdown) console.log(`\n${textTable(result)}`);
    for (const line of result.rows.flatMap(settingsText)) console.error(line);
  }
  const report = { machine, versions, batch: BATCH, rounds, models };
  if (values.markdown) console.log(`${[heading(report), ...models.map(markdownTable)].join('\n\n')}`);
  else console.log(`\n${heading(report)}`);
  if (values.json !== undefined) writeFileSync(pathOf(values.json), `${JSON.stringify(report, null, 2)}\n`);
  if (values.svg !== undefined) writeFileSync(pathOf(values.svg), chartOf(report));
}

try {
  await main();
} catch (error) {
  if (!(error instanceof LockstepError)) throw error;
  console.error(error.message);
  process.exitCode = error.exitCode;
}
