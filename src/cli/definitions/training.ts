import { type Command, Option } from 'commander';
import type { OptionGroup } from '../../shared/config/option-notes.ts';
import { READING_KEYS } from '../../shared/data/source.ts';
import {
  addGroupedOptions,
  addOptions,
  addTrainOptions,
  CHECKPOINT_TEXT,
  type Done,
  examples,
  type Flags,
  headingOf,
  RUN_TEXT,
} from './options.ts';

/** The commands that train, and that check what was trained. Each is loaded when it runs. */
export function addTrainingCommands(program: Command, done: Done): void {
  addTrain(program, done);
  addSweep(program, done);
  addEvaluate(program, done);
  addVerify(program, done);
  addWorker(program, done);
  addToken(program, done);
  addInit(program, done);
}

function addTrain(program: Command, done: Done): void {
  const train = program
    .command('train')
    .description('train a network, by default LeNet-5 on MNIST, and write a run directory');
  addTrainOptions(train);
  train
    .addHelpText(
      'after',
      examples([
        'lockstep train',
        'lockstep train --iterations 1000 --workers 4 --out runs/first',
        'lockstep train --backend tfjs --shard-size 64',
        'lockstep train --listen 0.0.0.0:9465 --token-file token --tls-cert cert.pem --tls-key key.pem',
        'lockstep train --remote-write http://127.0.0.1:9090/api/v1/write',
        'lockstep train --config settings.json --seed 2 --json > result.json',
        'LOCKSTEP_METRICS_PORT=off lockstep train',
      ]),
    )
    .action(async (flags: Flags) => {
      done(await (await import('../commands/train.ts')).train(flags));
    });
}

function addSweep(program: Command, done: Done): void {
  const sweep = program
    .command('sweep')
    .description('train all combinations of the values that options are given, and compare them');
  addTrainOptions(sweep, { several: true });
  sweep
    .option('--jobs <count>', 'runs at the same time (default: 1)')
    .addHelpText(
      'after',
      examples([
        'lockstep sweep --seed 1..5 --learning-rate 0.001,0.003 --out runs/rates',
        'lockstep sweep --seed 1..5 --jobs 2 --out runs/seeds -- --model resnet8 --iterations 1000',
        'lockstep sweep --seed 1..5 --augment none --augment shift,flip --iterations 1000 --jobs 2 --out runs/augment',
      ]),
    )
    .action(async (flags: Flags) => {
      done(await (await import('../commands/sweep.ts')).sweep(flags));
    });
}

function addEvaluate(program: Command, done: Done): void {
  const evaluate = program
    .command('evaluate')
    .description('print accuracy, loss, confusion matrix, precision and recall of a checkpoint');
  evaluate.argument('[checkpoint]', CHECKPOINT_TEXT);
  addOptions(evaluate, ['backend', 'data', ...READING_KEYS, 'json']);
  evaluate
    .addHelpText(
      'after',
      examples(['lockstep evaluate', 'lockstep evaluate runs/first/checkpoints/step-00010000.safetensors --json']),
    )
    .action(async (checkpoint: string | undefined, flags: Flags) => {
      done(await (await import('../commands/evaluate.ts')).evaluate(checkpoint, flags));
    });
}

function addVerify(program: Command, done: Done): void {
  const verify = program.command('verify').description('check that a run is what its config makes, by recomputing it');
  verify.argument('[run]', `${RUN_TEXT} (default: latest)`);
  addOptions(verify, ['workers', 'kernel', 'data', ...READING_KEYS, 'json']);
  const spans = new Option(
    '--spans <count>',
    'number of spans between checkpoints to recompute, chosen at random (default: 3)',
  );
  verify
    .addOption(spans.conflicts('all'))
    .option('--all', 'recompute every step')
    .addHelpText(
      'after',
      examples(['lockstep verify', 'lockstep verify runs/first --spans 10', 'lockstep verify runs/first --all --json']),
    )
    .action(async (run: string | undefined, flags: Flags) => {
      done(await (await import('../commands/verify.ts')).verify(run, flags));
    });
}

function addWorker(program: Command, done: Done): void {
  const worker = program.command('worker').description("compute for another machine's run until it ends");
  worker
    .addOption(
      option(
        'data',
        '--data <path>',
        "folder or file with the data set (default: $MNIST_DIR, the user's cache, the coordinator)",
      ),
    )
    .addOption(
      option(
        'execution',
        '--threads <count>',
        'worker threads; auto: one for each CPU, within quotas and memory, but no more than shards (default: auto)',
      ),
    );
  addClusterOptions(worker);
  addGroupedOptions(worker, ['kernel', 'onHangup', 'logLevel', 'logFormat', 'logFile']);
  worker
    .addHelpText(
      'after',
      examples([
        'lockstep worker --connect ws://127.0.0.1:9465',
        'lockstep worker --connect wss://trainer.example:9465 --token-file token --threads 4 --keep',
      ]),
    )
    .action(async (flags: Flags) => {
      done(await (await import('../commands/worker.ts')).worker(flags));
    });
}

function addInit(program: Command, done: Done): void {
  const init = program.command('init').description('write a small project: data, a model, train.ts, and monitoring');
  init
    .argument('[dir]', 'new or empty folder (default: this one)')
    .addHelpText('after', examples(['lockstep init my-project']))
    .action(async (dir: string | undefined) => {
      done(await (await import('../commands/init.ts')).init(dir));
    });
}

function addToken(program: Command, done: Done): void {
  const token = program.command('token').description('print a new token for a coordinator and its nodes');
  token
    .option('--out <file>', 'new file for it, which only its owner can read (default: stdout)')
    .addHelpText('after', examples(['lockstep token --out token', 'lockstep token > token']))
    .action(async (flags: { readonly out?: string }) => {
      done(await (await import('../commands/token.ts')).token(flags));
    });
}

function addClusterOptions(worker: Command): void {
  worker
    .addOption(
      option(
        'cluster',
        '--connect <url>',
        'coordinator: ws://HOST:PORT or wss://HOST:PORT, as its --listen prints it',
      ).makeOptionMandatory(),
    )
    .addOption(
      option(
        'cluster',
        '--token-file <file>',
        "file with the run's token (default: $LOCKSTEP_TOKEN_FILE, or the token in $LOCKSTEP_TOKEN)",
      ),
    )
    .addOption(
      option(
        'cluster',
        '--tls-ca <file>',
        "PEM certificate of the authority that signed the coordinator's (default: the system's authorities)",
      ),
    )
    .addOption(option('cluster', '--keep', 'wait for the next run when one has ended'))
    .addOption(option('cluster', '--give-up-after <time>', 'end if no coordinator is found for so long, such as 10m'))
    .addOption(option('cluster', '--health-port <port>', 'port of /healthz and /readyz for engines; 0: any free port'))
    .addOption(option('cluster', '--health-host <host>', 'address on which they are answered (default: 127.0.0.1)'));
}

function option(group: OptionGroup, flags: string, help: string): Option {
  return new Option(flags, help).helpGroup(headingOf(group));
}
