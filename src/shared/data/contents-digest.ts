import { littleEndianView } from '../util/safetensors.ts';
import type { Contents, Split } from './dataset.ts';
import { digestOf as digestOfFiles, sha256 } from './digest.ts';
import { idxDigest } from './idx-digest.ts';
import { MNIST_COUNTS, MNIST_FILES, MNIST_SHAPE } from './mnist-files.ts';
import { SYNTHETIC_SHA256 } from './sources/synthetic.ts';

/** The sets that are known by the digest of four IDX files. */
const IDX_DIGESTS: readonly string[] = [digestOfFiles(MNIST_FILES), SYNTHETIC_SHA256];

/**
 * The digest of a data set. What may be MNIST or the synthetic digits has that of four IDX files, by which these are known; any
 * other set that over its tensors and class names.
 */
export function digestOf(contents: Contents): string {
  const digest = mayBeNamed(contents) ? idxDigest(contents) : undefined;
  return digest !== undefined && IDX_DIGESTS.includes(digest) ? digest : tensorsDigest(contents);
}

function mayBeNamed({ maps, height, width, classNames, train, test }: Contents): boolean {
  const { maps: one, height: rows, width: columns, classNames: digits } = MNIST_SHAPE;
  const isSameShape = maps === one && height === rows && width === columns && classNames.join() === digits.join();
  const isSameSize = train.count === MNIST_COUNTS.train && test.count === MNIST_COUNTS.test;
  return isSameShape && isSameSize && train.inputs instanceof Uint8Array && train.targets instanceof Uint16Array;
}

/** SHA-256 over a line for each tensor, `<sha256>  <name> <type> <shape>`, and one for each class, its name as JSON. */
function tensorsDigest({ train, test, maps, height, width, classes, classNames }: Contents): string {
  const linesOf = (part: string, { inputs, targets, count }: Split): string[] => {
    const outputs = targets instanceof Float32Array ? [count, classes] : [count];
    return [
      `${sha256(littleEndianView(inputs))}  ${part}.inputs ${typeOf(inputs)} ${[count, maps, height, width].join('x')}`,
      `${sha256(littleEndianView(targets))}  ${part}.targets ${typeOf(targets)} ${outputs.join('x')}`,
    ];
  };
  const names = classNames.map((name) => JSON.stringify(name));
  return sha256([...linesOf('train', train), ...linesOf('test', test), ...names].map((line) => `${line}\n`).join(''));
}

function typeOf(values: Split['inputs'] | Split['targets']): string {
  return values instanceof Float32Array ? 'F32' : values instanceof Uint16Array ? 'U16' : 'U8';
}
