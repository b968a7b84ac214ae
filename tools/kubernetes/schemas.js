// Writes a strict JSON schema for each kind of object, as kubeconform wants them:
//   node tools/kubernetes/schemas.js FOLDER SWAGGER CRD…
// SWAGGER: Kubernetes' own OpenAPI file; CRD: a YAML file of a CustomResourceDefinition.
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { parse } from 'yaml';

const REFERENCE = '#/definitions/';
const META = 'io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta';
const OF_TWO_TYPES = {
  'io.k8s.apimachinery.pkg.util.intstr.IntOrString': ['string', 'integer'],
  'io.k8s.apimachinery.pkg.api.resource.Quantity': ['string', 'number'],
};

/** Schemas of Kubernetes' kinds, by the names that kubeconform has for them; each file holds all that it refers to. */
export function kubernetesSchemas(swagger) {
  const definitions = strictDefinitions(swagger);
  const schemas = {};
  for (const [name, { 'x-kubernetes-group-version-kind': kinds = [] }] of Object.entries(swagger.definitions)) {
    // Several: options of requests, which belong to each group.
    if (kinds.length !== 1) continue;
    schemas[nameOf(kinds[0])] = withDefinitions(ofKind(definitions[name], kinds[0]), definitions);
  }
  return schemas;
}

/** Schemas of a custom kind, one for each version; Kubernetes says what their metadata are. */
export function customSchemas({ spec: { group, names, versions } }, swagger) {
  const definitions = strictDefinitions(swagger);
  const entries = versions.map((version) => {
    const kind = { group, version: version.name, kind: names.kind };
    const schema = strict(version.schema.openAPIV3Schema);
    schema.properties.metadata = { $ref: REFERENCE + META };
    return [nameOf(kind), withDefinitions(ofKind(schema, kind), definitions)];
  });
  return Object.fromEntries(entries);
}

function strictDefinitions({ definitions }) {
  return mapped(definitions, (schema, name) => (OF_TWO_TYPES[name] ? { type: OF_TWO_TYPES[name] } : strict(schema)));
}

/** @returns the schema without its texts, and such that an object has no fields but those that it names */
function strict(schema) {
  const { properties, items, additionalProperties, description, ...rest } = schema;
  const made = { ...rest };
  if (schema['x-kubernetes-int-or-string']) made.type = ['string', 'integer'];
  if (schema.nullable && schema.type) made.type = [schema.type, 'null'];
  if (items) made.items = strict(items);
  if (properties) {
    made.properties = mapped(properties, strict);
    made.additionalProperties = schema['x-kubernetes-preserve-unknown-fields'] === true;
  }
  if (typeof additionalProperties === 'object') made.additionalProperties = strict(additionalProperties);
  return made;
}

function ofKind(schema, { group, version, kind }) {
  const apiVersion = { const: group ? `${group}/${version}` : version };
  const properties = { ...schema.properties, apiVersion, kind: { const: kind } };
  return { ...schema, properties, required: [...new Set([...(schema.required ?? []), 'apiVersion', 'kind'])] };
}

/** kubeconform's {{.ResourceKind}}{{.KindSuffix}}. */
function nameOf({ group, version, kind }) {
  return [kind.toLowerCase(), ...(group ? [group.split('.')[0]] : []), version].join('-');
}

function withDefinitions(schema, definitions) {
  const reached = {};
  const follow = (value) => {
    if (typeof value !== 'object' || value === null) return;
    const name = typeof value.$ref === 'string' ? value.$ref.slice(REFERENCE.length) : undefined;
    if (name !== undefined && !(name in reached)) {
      reached[name] = definitions[name];
      follow(reached[name]);
    }
    Object.values(value).forEach(follow);
  };
  follow(schema);
  return { ...schema, definitions: reached };
}

function mapped(object, change) {
  return Object.fromEntries(Object.entries(object).map(([key, value]) => [key, change(value, key)]));
}

function main([folder, swaggerFile, ...crdFiles]) {
  const swagger = JSON.parse(readFileSync(swaggerFile, 'utf8'));
  const custom = crdFiles.map((file) => customSchemas(parse(readFileSync(file, 'utf8')), swagger));
  const schemas = Object.assign(kubernetesSchemas(swagger), ...custom);
  mkdirSync(folder, { recursive: true });
  for (const [name, schema] of Object.entries(schemas)) {
    writeFileSync(join(folder, `${name}.json`), JSON.stringify(schema));
  }
  console.log(`${Object.keys(schemas).length} schemas in ${folder}`);
}

if (process.argv[1] && import.meta.url === pathToFileURL(process.argv[1]).href) main(process.argv.slice(2));
