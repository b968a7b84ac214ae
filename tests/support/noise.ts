import type { Dataset, Split } from '#src/shared/data/dataset.js';
import { headOf } from '#src/shared/model/kinds.js';
import { layoutOf } from '#src/shared/model/layout.js';
import { shapeSize } from '#src/shared/model/shape.js';
import type { ModelSpec } from '#src/shared/model/spec.js';
import { PhiloxStream, PURPOSE } from '#src/shared/util/philox.js';

/** Noise that fits a model. */
export function noiseFor(model: ModelSpec, samples: { readonly train: number; readonly test: number }): Dataset {
  const { input, classes } = layoutOf(model);
  const isClass = headOf(model.head).targetKind === 'class';
  const split = (index: number, count: number): Split => {
    const stream = new PhiloxStream(index, PURPOSE.permutation);
    const inputs = Uint8Array.from({ length: count * shapeSize(input) }, () => stream.below(256));
    const targets = isClass
      ? Uint16Array.from({ length: count }, () => stream.below(classes))
      : Float32Array.from({ length: count * classes }, () => stream.below(2));
    return { inputs, targets, count };
  };
  const names = Array.from({ length: classes }, (_, i) => `${i}`);
  const [train, test] = [split(1, samples.train), split(2, samples.test)];
  return { name: 'noise', ...input, classes, classNames: names, train, test, sha256: '0'.repeat(64) };
}
