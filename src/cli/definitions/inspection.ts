import { type Command, Option } from 'commander';
import { FORMAT_NAMES, folderFormatsText, formatsText } from '../../inspect/export/formats.ts';
import { READING_KEYS } from '../../shared/data/source.ts';
import type { ExportFlags } from '../commands/export.ts';
import type { ImportFlags } from '../commands/import.ts';
import type { ModelFlags } from '../commands/model.ts';
import { addOptions, CHECKPOINT_TEXT, type Done, examples, type Flags, RUN_TEXT } from './options.ts';

/** The commands that show what a network has learned, or exchange it with other programs. */
export function addInspectionCommands(program: Command, done: Done): void {
  addData(program, done);
  addModel(program, done);
  addPredict(program, done);
  addDraw(program, done);
  addExport(program, done);
  addImport(program, done);
  addReport(program, done);
}

function addData(program: Command, done: Done): void {
  const command = program
    .command('data')
    .description('print what a data set is, and whether something is wrong with it');
  command
    .argument('[source]', 'a name, file or folder as --data of train takes it (default: what train takes)')
    .option('--out <file>', 'also write samples as a PNG picture, a row for each class')
    .option('--pack <file>', 'also write the data set as one packed file (.safetensors)')
    .option('--features <file>', 'pack what a frozen network (.onnx) makes of each picture, to train a head on')
    .option('--layer <name>', "value of that network that is taken (default: the graph's first output)")
    .option(
      '--normalize <how>',
      'what its input is: imagenet, none (0 to 1), or means and deviations (default: imagenet for three channels, none for one)',
    )
    .addHelpText(
      'after',
      examples([
        'lockstep data',
        'lockstep data fashion/ --out samples.png',
        'lockstep data fashion/ --pack fashion.safetensors',
        'lockstep data photos/ --features resnet50.onnx --pack features.safetensors',
      ]),
    );
  addOptions(command, ['testSplit', 'target', 'head', 'resize', 'json']);
  command.action(async (source: string | undefined, flags: Flags) => {
    done(await (await import('../commands/data.ts')).data(source, flags));
  });
}

function addModel(program: Command, done: Done): void {
  const command = program.command('model').description("print a network's layers, and what it takes to train it");
  command
    .argument('[model]', 'a name, or a file as --model of train takes it (default: the list of names)')
    .option('--schema', 'print the JSON schema of specs')
    .option('--svg <file>', 'also draw the network')
    .addHelpText(
      'after',
      examples([
        'lockstep model',
        'lockstep model resnet20',
        'lockstep model mine.json --svg mine.svg',
        'lockstep model --schema',
      ]),
    );
  addOptions(command, ['data', ...READING_KEYS, 'json']);
  command.action(async (name: string | undefined, flags: ModelFlags) => {
    done(await (await import('../commands/model.ts')).model(name, flags));
  });
}

function addPredict(program: Command, done: Done): void {
  const predict = program
    .command('predict')
    .description('print what pictures show or rows of a table mean, by what a network has learned');
  predict.argument(
    '<images...>',
    'pictures (PNG, JPEG, WebP, GIF, TIFF), folders of them, one IDX file with --index, or tables (.csv, .tsv)',
  );
  predict.option('--index <number>', 'which image of the IDX file, from 0 on');
  addModelOptions(predict);
  predict.option('--layers [folder]', "write every layer's maps as PNG files (default folder: layers)");
  predict.option('--features <file>', 'the network (.onnx) whose features the run was trained on');
  addOptions(predict, ['data', 'json']);
  predict
    .addHelpText(
      'after',
      examples([
        'lockstep predict seven.png',
        'lockstep predict scans/ --json --run runs/first',
        'lockstep predict seven.png --layers seven',
        'lockstep predict new.csv --data penguins.safetensors',
        'lockstep predict rose.jpg --features resnet50.onnx',
        'lockstep predict t10k-images-idx3-ubyte --index 7',
      ]),
    )
    .action(async (images: string[], flags: Flags) => {
      done(await (await import('../commands/predict.ts')).predict(images, flags));
    });
}

function addDraw(program: Command, done: Done): void {
  const draw = program.command('draw').description('serve a page to draw on, with every layer of the network');
  draw.argument('[checkpoint]', CHECKPOINT_TEXT);
  addModelOptions(draw);
  draw
    .option('--port <number>', 'port on loopback; 0: any (default: 9466, or the next free one)')
    .addHelpText('after', examples(['lockstep draw', 'lockstep draw runs/first --port 8080']))
    .action(async (named: string | undefined, flags: Record<string, string | undefined>) => {
      done(await (await import('../commands/draw.ts')).draw(named, flags));
    });
}

/** Options for the weights of a run or of one checkpoint. */
function addModelOptions(command: Command): void {
  const run = new Option('--run <run>', `what predicts by its last checkpoint: ${RUN_TEXT} (default: latest)`);
  command.addOption(run.conflicts('checkpoint')).option('--checkpoint <file>', 'a .safetensors file, instead of a run');
}

function addExport(program: Command, done: Done): void {
  const command = program.command('export').description("write a checkpoint's network for other programs");
  command
    .argument('[checkpoint]', CHECKPOINT_TEXT)
    .addOption(new Option('--format <format>', formatsText()).choices(FORMAT_NAMES).makeOptionMandatory())
    .requiredOption('--out <path>', `the new file; with ${folderFormatsText()}, a new or empty folder`);
  addOptions(command, ['json']);
  command
    .addHelpText(
      'after',
      examples([
        'lockstep export --format onnx --out lenet5.onnx',
        'lockstep export runs/first --format tfjs --out web/lenet5',
        'lockstep export runs/first/checkpoints/step-00000100.safetensors --format safetensors --out weights.safetensors',
      ]),
    )
    .action(async (checkpoint: string | undefined, flags: ExportFlags) => {
      done(await (await import('../commands/export.ts')).exportNetwork(checkpoint, flags));
    });
}

function addImport(program: Command, done: Done): void {
  const command = program.command('import').description('make a checkpoint from weights that another program wrote');
  command.argument('<file>', 'a .safetensors file of float32 tensors, named as by `export --format safetensors`');
  command.option('--out <file>', 'the new checkpoint (default: NAME-checkpoint.safetensors, in this folder)');
  addOptions(command, ['json']);
  command
    .addHelpText(
      'after',
      examples([
        'lockstep import weights.safetensors',
        'lockstep import weights.safetensors --out imported.safetensors && lockstep train --init imported.safetensors',
      ]),
    )
    .action(async (file: string, flags: ImportFlags) => {
      done(await (await import('../commands/import.ts')).importWeights(file, flags));
    });
}

function addReport(program: Command, done: Done): void {
  const report = program.command('report').description('write one HTML file that shows what runs have learned');
  report
    .argument(
      '[runs...]',
      `what is shown, each ${RUN_TEXT}; the last snapshots of several are compared (default: latest)`,
    )
    .option(
      '--steps <list>',
      "steps of the snapshots to compare, such as 100,10000 (default: the run's first and last)",
    )
    .option('--image <number>', 'test image that is shown in every layer, from 0 on (default: 0)')
    .option('--out <file>', 'file to write (default: report.html in the first run)');
  addOptions(report, ['data', ...READING_KEYS, 'json']);
  report
    .addHelpText(
      'after',
      examples([
        'lockstep report',
        'lockstep report runs/first --steps 100,10000 --image 7',
        'lockstep report runs/short runs/long --out comparison.html',
      ]),
    )
    .action(async (runs: readonly string[], flags: Flags) => {
      done(await (await import('../commands/report.ts')).report(runs, flags));
    });
}
