// The export formats. A file beside this one and an entry of FORMATS are all that a new one needs: the choices of --format, its help text
// and the command follow from it.
import { outputFile, outputFolder } from '../../coordinator/run/output.ts';
import { inFolder, type NewFile } from './files.ts';
import type { Network } from './network.ts';

/** An export format. */
interface Format {
  /** What is written, for help. */
  readonly title: string;
  /** Whether --out is a folder. */
  readonly isFolder: boolean;
  /** The files in the order in which they are written. `out` is the file or folder. */
  readonly encode: (network: Network, out: string) => Promise<NewFile[]>;
}

// What encodes is loaded if it is needed: help has the names alone.
const FORMATS = {
  onnx: {
    title: 'ONNX',
    isFolder: false,
    encode: async (network, path) => [{ path, bytes: (await import('./onnx.ts')).encodeOnnx(network) }],
  },
  tfjs: {
    title: 'a tfjs layers model',
    isFolder: true,
    encode: async (network, folder) => {
      const { encodeTfjs, MODEL_FILE, WEIGHTS_FILE } = await import('./tfjs.ts');
      const { model, weights } = encodeTfjs(network);
      // The model is written last, so that its weights exist whenever it does.
      return inFolder(folder, { [WEIGHTS_FILE]: weights, [MODEL_FILE]: model });
    },
  },
  safetensors: {
    title: 'the weights alone',
    isFolder: false,
    encode: async (network, path) => [{ path, bytes: (await import('./safetensors.ts')).encodeWeights(network) }],
  },
} as const satisfies Readonly<Record<string, Format>>;

/** A format for other programs, such as `onnx` (docs/export.md). */
export type FormatName = keyof typeof FORMATS;

export const FORMAT_NAMES = Object.keys(FORMATS) as readonly FormatName[];

export function formatOf(name: FormatName): Format {
  return FORMATS[name];
}

/** Makes sure that nothing is in the way. @throws UsageError if something is */
export function checkOut(name: FormatName, out: string): void {
  if (formatOf(name).isFolder) outputFolder(out, '--out');
  else outputFile(out, { option: '--out' });
}

/** The formats' titles, for help. */
export function formatsText(): string {
  const titles = FORMAT_NAMES.map((name) => formatOf(name).title);
  return [...titles.slice(0, -1), `or ${titles.at(-1)}`].join(', ');
}

/** The formats whose --out is a folder, for help. */
export function folderFormatsText(): string {
  return FORMAT_NAMES.filter((name) => formatOf(name).isFolder).join(', ');
}
