import { Command, CommanderError, Option } from 'commander';
import { refuseSwallowedFlags } from '../shared/util/command-line.ts';
import { version } from '../shared/util/version.ts';
import type { ExportFlags } from './commands/export.ts';
import type { ImportFlags } from './commands/import.ts';
import { reportFailure } from './failure.ts';
import { addOptions, addTrainOptions } from './options.ts';

const BAD_USAGE = 2;

const EXAMPLES = {
  lockstep: ['lockstep doctor', 'lockstep train', 'lockstep evaluate', 'lockstep train --help'],
  train: [
    'lockstep train',
    'lockstep train --iterations 1000 --workers 4 --out runs/first',
    'lockstep train --backend tfjs --shard-size 64',
    'lockstep train --listen 0.0.0.0:9465 --token-file token --tls-cert cert.pem --tls-key key.pem',
    'lockstep train --remote-write http://127.0.0.1:9090/api/v1/write',
    'lockstep train --config settings.json --seed 2 --json > result.json',
    'LOCKSTEP_METRICS_PORT=off lockstep train',
  ],
  evaluate: ['lockstep evaluate', 'lockstep evaluate runs/first/checkpoints/step-00010000.safetensors --json'],
  predict: [
    'lockstep predict seven.png',
    'lockstep predict scans/ --json --run runs/first',
    'lockstep predict seven.png --layers seven',
    'lockstep predict t10k-images-idx3-ubyte --index 7',
  ],
  draw: ['lockstep draw', 'lockstep draw --run runs/first --port 8080'],
  export: [
    'lockstep export --format onnx --out lenet5.onnx',
    'lockstep export runs/first --format tfjs --out web/lenet5',
    'lockstep export runs/first/checkpoints/step-00000100.safetensors --format safetensors --out weights.safetensors',
  ],
  import: [
    'lockstep import weights.safetensors',
    'lockstep import weights.safetensors --out imported.safetensors && lockstep train --init imported.safetensors',
  ],
  report: [
    'lockstep report',
    'lockstep report runs/first --steps 100,10000 --image 7',
    'lockstep report runs/short runs/long --out comparison.html',
  ],
  verify: ['lockstep verify', 'lockstep verify runs/first --spans 10', 'lockstep verify runs/first --all --json'],
  doctor: ['lockstep doctor', 'lockstep doctor --data path/to/mnist --workers 8', 'lockstep doctor --json'],
  worker: [
    'lockstep worker --connect ws://127.0.0.1:9465',
    'lockstep worker --connect wss://trainer.example:9465 --token-file token --threads 4 --keep',
  ],
  token: ['lockstep token > token'],
  bench: ['lockstep bench', 'lockstep bench --json > bench.json', 'lockstep bench --backends'],
  runs: ['lockstep runs', 'lockstep runs elsewhere --json', 'lockstep runs --remove first second'],
  dashboard: [
    'lockstep dashboard',
    'lockstep dashboard runs/first runs/second',
    'lockstep dashboard runs/first --metrics-port 8000',
  ],
  metrics: [
    'lockstep metrics runs/first --openmetrics --out first.om',
    'promtool tsdb create-blocks-from openmetrics first.om prometheus-data/',
  ],
  diff: ['lockstep diff runs/first runs/second', 'lockstep diff runs/first runs/second --json'],
};

/**
 * Runs one command line.
 * @returns the exit code: 0 done, 1 failed, 2 bad usage, 130 or 143 stopped by a signal after a checkpoint
 */
export async function runCli(args: readonly string[]): Promise<number> {
  let exitCode = 0;
  const program = lockstep((code) => {
    exitCode = code;
  });
  try {
    refuseSwallowedFlags(args[0], process.env);
    await program.parseAsync(args, { from: 'user' });
    return exitCode;
  } catch (error) {
    return exitCodeOf(error, args);
  }
}

function lockstep(done: (exitCode: number) => void): Command {
  const program = new Command('lockstep')
    .description('Trains LeNet-5 data-parallel; any number of workers gives the same bits.')
    .version(version())
    .exitOverride()
    .showHelpAfterError('See --help.')
    .addHelpText('after', examples('lockstep'));

  const train = program.command('train').description('train LeNet-5 on MNIST and write a run directory');
  addTrainOptions(train);
  train.addHelpText('after', examples('train')).action(async (flags: Record<string, unknown>) => {
    done(await (await import('./commands/train.ts')).train(flags));
  });

  const evaluate = program.command('evaluate').description('accuracy, loss and confusion matrix of a checkpoint');
  evaluate.argument('[checkpoint]', "a .safetensors file (default: the newest run's last, under runs/)");
  addOptions(evaluate, ['backend', 'data', 'json']);
  evaluate
    .addHelpText('after', examples('evaluate'))
    .action(async (checkpoint: string | undefined, flags: Record<string, unknown>) => {
      done(await (await import('./commands/evaluate.ts')).evaluate(checkpoint, flags));
    });

  addPredict(program, done);
  addDraw(program, done);
  addExport(program, done);
  addImport(program, done);
  addReport(program, done);
  addVerify(program, done);

  const worker = program.command('worker').description("compute for another machine's run until it ends");
  worker
    .requiredOption('--connect <url>', 'the coordinator: ws://HOST:PORT or wss://HOST:PORT, as its --listen says')
    .option('--threads <count>', 'worker threads; auto: one for each CPU that may be used (default: auto)')
    .option('--token-file <file>', "file of the run's token (default: $LOCKSTEP_TOKEN)")
    .option('--tls-ca <file>', "PEM of the authority that signed the coordinator's certificate (default: the system's)")
    .option('--data <dir>', "folder of the four MNIST files (default: $MNIST_DIR, the user's cache, the coordinator)")
    .option('--keep', 'wait for the next run when one is over');
  addOptions(worker, ['logLevel', 'logFormat', 'logFile']);
  worker.addHelpText('after', examples('worker')).action(async (flags: Record<string, unknown>) => {
    done(await (await import('./commands/worker.ts')).worker(flags));
  });

  const token = program.command('token').description('print a new token for a coordinator and its nodes');
  token.addHelpText('after', examples('token')).action(async () => {
    process.stdout.write(`${(await import('../shared/util/token.ts')).newToken()}\n`);
  });

  const bench = program.command('bench').description("measure this machine's training speed");
  bench.option('--backends', 'the kernel and native TensorFlow side by side, in place of the rest');
  addOptions(bench, ['json']);
  bench.addHelpText('after', examples('bench')).action(async (flags: Record<string, unknown>) => {
    done(await (await import('./commands/bench.ts')).bench(flags));
  });

  const doctor = program.command('doctor').description('whether training would work here, and what to do if not');
  addOptions(doctor, ['data', 'workers', 'backend', 'metricsPort', 'json']);
  doctor.addHelpText('after', examples('doctor')).action(async (flags: Record<string, unknown>) => {
    done(await (await import('./commands/doctor.ts')).doctor(flags));
  });
  addRuns(program, done);
  addDashboard(program, done);
  addDiff(program, done);
  addMetrics(program, done);
  return program;
}

function addPredict(program: Command, done: (exitCode: number) => void): void {
  const predict = program.command('predict').description('which digits pictures show');
  predict.argument('<images...>', 'PNG or JPEG pictures, folders of them, or one IDX file with --index');
  predict.option('--index <number>', 'which image of the IDX file, from 0 on');
  addModelOptions(predict);
  predict.option('--layers [folder]', "write every layer's maps as PNG files (default folder: layers)");
  addOptions(predict, ['json']);
  predict.addHelpText('after', examples('predict')).action(async (images: string[], flags: Record<string, unknown>) => {
    done(await (await import('./commands/predict.ts')).predict(images, flags));
  });
}

function addDraw(program: Command, done: (exitCode: number) => void): void {
  const draw = program.command('draw').description('a page to draw digits on, with every layer of the network');
  addModelOptions(draw);
  draw
    .option('--port <number>', 'on loopback; 0: any (default: 9466, or any where that is taken)')
    .addHelpText('after', examples('draw'))
    .action(async (flags: Record<string, string | undefined>) => {
      done(await (await import('./commands/draw.ts')).draw(flags));
    });
}

/** Which weights: of a run or of one checkpoint. */
function addModelOptions(command: Command): void {
  const run = new Option('--run <folder>', 'the run whose last checkpoint predicts (default: the newest under runs/)');
  command.addOption(run.conflicts('checkpoint')).option('--checkpoint <file>', 'a .safetensors file in its place');
}

function addExport(program: Command, done: (exitCode: number) => void): void {
  const command = program.command('export').description("a checkpoint's network for other programs");
  command.argument('[checkpoint]', "a .safetensors file or a run (default: the newest run's last, under runs/)");
  command
    .addOption(
      new Option('--format <format>', 'ONNX, a tfjs layers model, or the weights alone')
        .choices(['onnx', 'tfjs', 'safetensors'])
        .makeOptionMandatory(),
    )
    .requiredOption('--out <path>', 'the new file; with tfjs, a new or empty folder');
  addOptions(command, ['json']);
  command
    .addHelpText('after', examples('export'))
    .action(async (checkpoint: string | undefined, flags: ExportFlags) => {
      done(await (await import('./commands/export.ts')).exportNetwork(checkpoint, flags));
    });
}

function addImport(program: Command, done: (exitCode: number) => void): void {
  const command = program.command('import').description('a checkpoint from weights that another program wrote');
  command.argument('<file>', 'a .safetensors file of float32 tensors, named as `export --format safetensors` does');
  command.option('--out <file>', 'the new checkpoint (default: NAME-checkpoint.safetensors, in this folder)');
  addOptions(command, ['json']);
  command.addHelpText('after', examples('import')).action(async (file: string, flags: ImportFlags) => {
    done(await (await import('./commands/import.ts')).importWeights(file, flags));
  });
}

function addReport(program: Command, done: (exitCode: number) => void): void {
  const report = program.command('report').description('one HTML file that shows what runs have learned');
  report
    .argument(
      '[runs...]',
      'run directories; of several the last snapshots are compared (default: the newest under runs/)',
    )
    .option(
      '--steps <list>',
      "steps of the snapshots to compare, such as 100,10000 (default: the run's first and last)",
    )
    .option('--image <number>', "test image whose way is shown, from 0 on (default: the test set's first 7)")
    .option('--out <file>', 'file to write (default: report.html in the first run)');
  addOptions(report, ['data', 'json']);
  report
    .addHelpText('after', examples('report'))
    .action(async (runs: readonly string[], flags: Record<string, unknown>) => {
      done(await (await import('./commands/report.ts')).report(runs, flags));
    });
}

function addVerify(program: Command, done: (exitCode: number) => void): void {
  const verify = program.command('verify').description('whether a run is what its config makes, by computing it again');
  verify.argument('[run]', 'run directory (default: the newest under runs/)');
  addOptions(verify, ['workers', 'data', 'json']);
  const spans = new Option('--spans <count>', 'parts between checkpoints to compute, chosen at random (default: 3)');
  verify.addOption(spans.conflicts('all'));
  verify
    .option('--all', 'compute every step again')
    .addHelpText('after', examples('verify'))
    .action(async (run: string | undefined, flags: Record<string, unknown>) => {
      done(await (await import('./commands/verify.ts')).verify(run, flags));
    });
}

function addRuns(program: Command, done: (exitCode: number) => void): void {
  const runs = program.command('runs').description('list the runs of a folder, or delete some');
  runs.argument('[folder]', 'where the run directories lie (default: runs/)');
  runs.option('--remove <names...>', 'delete these runs; takes all that follows for names: put the folder first');
  addOptions(runs, ['json']);
  runs
    .addHelpText('after', examples('runs'))
    .action(async (folder: string | undefined, flags: Record<string, unknown>) => {
      done(await (await import('./commands/runs.ts')).runs(folder, flags));
    });
}

function addDashboard(program: Command, done: (exitCode: number) => void): void {
  const dashboard = program
    .command('dashboard')
    .description('the live page of runs that are over, or of one from its files');
  dashboard.argument('[runs...]', 'run directories, one over the other (default: the newest under runs/)');
  addOptions(dashboard, ['metricsPort', 'metricsHost', 'metricsTokenFile']);
  dashboard
    .addHelpText('after', examples('dashboard'))
    .action(async (runs: readonly string[], flags: Record<string, unknown>) => {
      done(await (await import('./commands/dashboard.ts')).dashboard(runs, flags));
    });
}

function addDiff(program: Command, done: (exitCode: number) => void): void {
  const diff = program.command('diff').description('the first step at which two runs part, and why');
  diff.argument('<run>', 'a run directory').argument('<other>', 'another one');
  addOptions(diff, ['json']);
  diff
    .addHelpText('after', examples('diff'))
    .action(async (run: string, other: string, flags: Record<string, unknown>) => {
      done(await (await import('./commands/diff.ts')).diff([run, other], flags));
    });
}

function addMetrics(program: Command, done: (exitCode: number) => void): void {
  const metrics = program.command('metrics').description("a run's every single step as time series for Prometheus");
  metrics.argument('[run]', 'run directory (default: the newest under runs/)');
  metrics
    .option('--openmetrics', 'as OpenMetrics text, for promtool tsdb create-blocks-from openmetrics')
    .option('--out <file>', 'file to write (default: stdout)')
    .addHelpText('after', examples('metrics'))
    .action(async (run: string | undefined, flags: Record<string, unknown>) => {
      done(await (await import('./commands/metrics.ts')).metrics(run, flags));
    });
}

function exitCodeOf(error: unknown, args: readonly string[]): number {
  const write = (line: string): void => {
    process.stderr.write(`${line}\n`);
  };
  if (!(error instanceof CommanderError)) {
    return reportFailure(error, { debug: process.env.LOCKSTEP_DEBUG === '1', write });
  }
  // Help and the version come this way too, with 0; commander has already written its message.
  if (error.exitCode === 0) return 0;
  if (error.code === 'commander.excessArguments') {
    const meant = args[0] === 'train' ? 'npm start -- --iterations 5' : `npm run lockstep -- ${args[0]} --json`;
    write(`npm hands flags on only behind \`--\`: ${meant}`);
  }
  return BAD_USAGE;
}

function examples(command: keyof typeof EXAMPLES): string {
  return `\nExamples:\n${EXAMPLES[command].map((line) => `  ${line}`).join('\n')}`;
}
