// tools/kubernetes/schemas.js: what Kubernetes describes becomes schemas that allow nothing else.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';

interface Schema {
  readonly [keyword: string]: unknown;
  readonly properties: Readonly<Record<string, Schema>>;
  readonly definitions: Readonly<Record<string, Schema>>;
  readonly items?: Schema;
}
type Schemas = Readonly<Record<string, Schema>>;

const { kubernetesSchemas, customSchemas } = (await import(
  new URL('../../../tools/kubernetes/schemas.js', import.meta.url).href
)) as {
  kubernetesSchemas: (swagger: object) => Schemas;
  customSchemas: (definition: object, swagger: object) => Schemas;
};

const KIND = 'x-kubernetes-group-version-kind';
const META = 'io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta';
const INT_OR_STRING = 'io.k8s.apimachinery.pkg.util.intstr.IntOrString';
const TEXT = { type: 'string', description: 'A text.' };
const MAP = { type: 'object', additionalProperties: TEXT };
const reference = (name: string) => ({ $ref: `#/definitions/${name}` });
const swagger = {
  definitions: {
    [META]: { type: 'object', properties: { name: TEXT, labels: MAP } },
    [INT_OR_STRING]: { type: 'string', format: 'int-or-string' },
    unreached: { type: 'object' },
    'io.k8s.Budget': {
      type: 'object',
      required: ['port'],
      // A field may have the name of a keyword.
      properties: { metadata: reference(META), port: reference(INT_OR_STRING), description: TEXT, kind: TEXT },
      [KIND]: [{ group: 'policy.k8s.io', version: 'v1', kind: 'Budget' }],
    },
    'io.k8s.Pod': { type: 'object', properties: {}, [KIND]: [{ group: '', version: 'v1', kind: 'Pod' }] },
    'io.k8s.Options': {
      [KIND]: [
        { group: '', version: 'v1', kind: 'Options' },
        { group: 'apps', version: 'v1', kind: 'Options' },
      ],
    },
  },
};

describe('schemas for kubeconform', () => {
  const schemas = kubernetesSchemas(swagger);
  const budget = schemas['budget-policy-v1'] as Schema;

  it('are named by kind, group and version, one for each kind', () => {
    assert.deepEqual(Object.keys(schemas), ['budget-policy-v1', 'pod-v1']);
    assert.deepEqual(budget.properties.apiVersion, { const: 'policy.k8s.io/v1' });
    assert.deepEqual(schemas['pod-v1']?.properties.apiVersion, { const: 'v1' });
    assert.deepEqual(budget.required, ['port', 'apiVersion', 'kind']);
  });

  it('allow no other fields, but in maps', () => {
    assert.equal(budget.additionalProperties, false);
    const metadata = budget.definitions[META] as Schema;
    assert.equal(metadata.additionalProperties, false);
    assert.deepEqual(metadata.properties.labels, { type: 'object', additionalProperties: { type: 'string' } });
  });

  it('hold what they refer to, without texts', () => {
    assert.deepEqual(Object.keys(budget.definitions), [META, INT_OR_STRING]);
    assert.deepEqual(budget.definitions[INT_OR_STRING], { type: ['string', 'integer'] });
    assert.deepEqual(budget.properties.description, { type: 'string' });
  });

  it('of custom kinds are as strict, in their metadata too', () => {
    const openAPIV3Schema = {
      type: 'object',
      properties: {
        metadata: { type: 'object' },
        spec: {
          type: 'object',
          properties: {
            rules: { type: 'array', items: { type: 'object', properties: { expr: TEXT } } },
            port: { anyOf: [{ type: 'integer' }, TEXT], 'x-kubernetes-int-or-string': true },
            anything: { type: 'object', properties: {}, 'x-kubernetes-preserve-unknown-fields': true },
            limit: { type: 'integer', nullable: true },
          },
        },
      },
    };
    const versions = [{ name: 'v1', schema: { openAPIV3Schema } }];
    const made = customSchemas({ spec: { group: 'a.example', names: { kind: 'Monitor' }, versions } }, swagger);
    const { spec, metadata } = (made['monitor-a-v1'] as Schema).properties;
    assert.deepEqual(metadata, reference(META));
    const { rules, port, anything, limit } = (spec as Schema).properties;
    assert.deepEqual(
      [spec?.additionalProperties, rules?.items?.additionalProperties, anything?.additionalProperties],
      [false, false, true],
    );
    assert.deepEqual(
      [port?.type, limit?.type],
      [
        ['string', 'integer'],
        ['integer', 'null'],
      ],
    );
  });
});
