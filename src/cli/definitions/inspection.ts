import { type Command, Option } from 'commander';
import { FORMAT_NAMES, folderFormatsText, formatsText } from '../../inspect/export/formats.ts';
import type { ExportFlags } from '../commands/export.ts';
import type { ImportFlags } from '../commands/import.ts';
import { addOptions, type Done, examples, type Flags } from './options.ts';

/** The commands that show what a network has learned, or exchange it with other programs. */
export function addInspectionCommands(program: Command, done: Done): void {
  addPredict(program, done);
  addDraw(program, done);
  addExport(program, done);
  addImport(program, done);
  addReport(program, done);
}

function addPredict(program: Command, done: Done): void {
  const predict = program.command('predict').description('print which digits pictures show');
  predict.argument('<images...>', 'PNG or JPEG pictures, folders of them, or one IDX file with --index');
  predict.option('--index <number>', 'which image of the IDX file, from 0 on');
  addModelOptions(predict);
  predict.option('--layers [folder]', "write every layer's maps as PNG files (default folder: layers)");
  addOptions(predict, ['json']);
  predict
    .addHelpText(
      'after',
      examples([
        'lockstep predict seven.png',
        'lockstep predict scans/ --json --run runs/first',
        'lockstep predict seven.png --layers seven',
        'lockstep predict t10k-images-idx3-ubyte --index 7',
      ]),
    )
    .action(async (images: string[], flags: Flags) => {
      done(await (await import('../commands/predict.ts')).predict(images, flags));
    });
}

function addDraw(program: Command, done: Done): void {
  const draw = program.command('draw').description('serve a page to draw digits on, with every layer of the network');
  addModelOptions(draw);
  draw
    .option('--port <number>', 'port on loopback; 0: any (default: 9466, or any if that is in use)')
    .addHelpText('after', examples(['lockstep draw', 'lockstep draw --run runs/first --port 8080']))
    .action(async (flags: Record<string, string | undefined>) => {
      done(await (await import('../commands/draw.ts')).draw(flags));
    });
}

/** Options for the weights of a run or of one checkpoint. */
function addModelOptions(command: Command): void {
  const run = new Option('--run <folder>', 'run whose last checkpoint predicts (default: the newest under runs/)');
  command.addOption(run.conflicts('checkpoint')).option('--checkpoint <file>', 'a .safetensors file, instead of a run');
}

function addExport(program: Command, done: Done): void {
  const command = program.command('export').description("write a checkpoint's network for other programs");
  command
    .argument('[checkpoint]', 'a .safetensors file or a run (default: the last one of the newest run under runs/)')
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
      'run directories; the last snapshots of several are compared (default: the newest under runs/)',
    )
    .option(
      '--steps <list>',
      "steps of the snapshots to compare, such as 100,10000 (default: the run's first and last)",
    )
    .option('--image <number>', "test image that is shown in every layer, from 0 on (default: the test set's first 7)")
    .option('--out <file>', 'file to write (default: report.html in the first run)');
  addOptions(report, ['data', 'json']);
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
