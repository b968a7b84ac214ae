import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { graphOf } from '#src/coordinator/observe/tensorboard/graph.js';
import { encodeGraph } from '#src/coordinator/observe/tensorboard/messages.js';
import { layoutOf, type ModelLayout } from '#src/shared/model/layout.js';
import { parseModel } from '#src/shared/model/parse.js';
import { PRESETS, specOf, typicalData } from '#src/shared/model/registry.js';
import { isVector } from '#src/shared/model/shape.js';
import { EVERY_KIND, HEADS } from '../../../inspect/export/specs.ts';

const layouts: readonly (readonly [string, ModelLayout])[] = [
  ...PRESETS.map(({ name }) => {
    const spec = specOf({ model: name, head: 'softmax', rbfJ: 0.1 }, typicalData(name));
    return [name, layoutOf(spec)] as const;
  }),
  ...HEADS.map((head) => {
    const spec = parseModel({ ...EVERY_KIND, head }, undefined, 'every-kind');
    return [`every kind of layer (${head.kind})`, layoutOf(spec)] as const;
  }),
];

/** Layers that add no node: what they take is flattened already. */
const isView = (kind: string): boolean => kind === 'flatten';

describe("TensorBoard's graph", () => {
  for (const [name, layout] of layouts) {
    const { node } = graphOf(layout);

    test(`${name}: each node has a name of its own, and takes nodes before it`, () => {
      const known = new Set<string>();
      for (const { name, input } of node) {
        for (const each of input) assert.ok(known.has(each), `${name} takes ${each}`);
        assert.ok(!known.has(name), `two nodes are called ${name}`);
        known.add(name);
      }
      assert.ok(encodeGraph(graphOf(layout)).length > 0);
    });

    test(`${name}: each layer is a scope that ends with its output, and has its tensors`, () => {
      for (const { spec, output, tensors } of layout.layers) {
        const own = node.filter(({ name }) => name.startsWith(`${spec.name}/`));
        if (isView(spec.kind)) continue;
        const shape = own.at(-1)?.attr._output_shapes?.list?.shape?.[0]?.dim.map(({ size }) => size);
        const { maps, height, width } = output;
        assert.deepEqual(shape, isVector(output) ? [-1, maps] : [-1, maps, height, width], spec.name);
        const variables = own.filter(({ op }) => op === 'VariableV2').map(({ name }) => name.replace('/', '.'));
        assert.deepEqual(
          variables,
          tensors.map((tensor) => tensor.name),
        );
      }
    });

    test(`${name}: the loss is a mean, and so is the accuracy if samples are right or wrong`, () => {
      const means = node.filter(({ name }) => name === 'loss/Mean' || name === 'accuracy/Mean');
      assert.equal(means.length, layout.spec.head.kind === 'mse' ? 1 : 2);
    });
  }
});
