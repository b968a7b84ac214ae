// ONNX Runtime, an optional package. The one for browsers: it is WebAssembly of one thread here, without relaxed instructions, so that
// the same network and picture give the same bits on every machine, and a network that is hostile stays in a sandbox.
import { createRequire } from 'node:module';
import { pathToFileURL } from 'node:url';
import { PackageError } from '../../shared/util/errors.ts';

const PACKAGE = 'onnxruntime-web';
/** As package.json names it. */
export const RUNTIME_VERSION = '1.30.0';

/** What is used of the package. Written out here, since it is optional: without it the build must pass too. */
export interface Runtime {
  readonly env: {
    logLevel: string;
    readonly wasm: { numThreads: number };
    readonly versions: { readonly web?: string };
  };
  readonly InferenceSession: { create(model: Uint8Array, options: object): Promise<Session> };
  readonly Tensor: new (type: 'float32', data: Float32Array, dims: readonly number[]) => RuntimeTensor;
}

export interface Session {
  run(
    inputs: Readonly<Record<string, RuntimeTensor>>,
    outputs: readonly string[],
  ): Promise<Record<string, RuntimeTensor>>;
}

export interface RuntimeTensor {
  readonly type: string;
  readonly dims: readonly number[];
  readonly data: unknown;
}

/**
 * @param from the file from which it is looked for
 * @throws PackageError if it isn't installed, or doesn't load here
 */
export async function loadRuntime(from = import.meta.url): Promise<Runtime> {
  const require = createRequire(from);
  let path: string;
  try {
    path = require.resolve(`${PACKAGE}/wasm`);
  } catch (cause) {
    throw new PackageError(
      `Features are computed by ${PACKAGE}, an optional package that is not installed: run \`npm install --no-save --save-prod ${PACKAGE}@${RUNTIME_VERSION}\`.`,
      { cause },
    );
  }
  try {
    const { default: runtime } = (await import(pathToFileURL(path).href)) as { default: Runtime };
    runtime.env.wasm.numThreads = 1;
    runtime.env.logLevel = 'fatal';
    return runtime;
  } catch (cause) {
    const [reason] = (cause as Error).message.split('\n');
    throw new PackageError(`${PACKAGE} doesn't load here (${reason}). Install version ${RUNTIME_VERSION}.`, { cause });
  }
}

/** With its version: another one may give other bits. @throws PackageError */
export async function runtimeName(): Promise<string> {
  const { versions } = (await loadRuntime()).env;
  return `${PACKAGE} ${versions.web ?? 'of an unknown version'}`;
}
