// Manifests as objects, and what their containers are told.
import assert from 'node:assert/strict';
import { parseAllDocuments } from 'yaml';

/** The version of YAML that Kubernetes reads: 0440 is octal. */
const YAML = { version: '1.1' } as const;

/** An object of Kubernetes, of which a test knows more than this. */
export interface Manifest {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: { readonly name: string; readonly labels?: Readonly<Record<string, string>> };
  // biome-ignore lint/suspicious/noExplicitAny: each kind has fields of its own
  readonly [field: string]: any;
}

/** @throws Error where it isn't YAML, or an object names a field twice */
export function manifestsOf(text: string): Manifest[] {
  return parseAllDocuments(text, YAML).map((document) => {
    const [error] = document.errors;
    if (error !== undefined) throw error;
    return document.toJS();
  });
}

/** The object of that kind and name. @throws AssertionError if there is none */
export function find<T extends Manifest>(objects: readonly Manifest[], kind: string, name: string): T {
  const found = objects.find((object) => object.kind === kind && object.metadata.name === name);
  assert.ok(found, `there is a ${kind} ${name}`);
  return found as T;
}

/** The template of pods, for a Job or Deployment. */
export function podOf(manifest: Manifest): Manifest | undefined {
  return manifest.spec?.template;
}

/** What a container is told by flags, by the option's key: --token-file=x is tokenFile, a flag without a value is true. */
export function flagsOf([, ...args]: readonly string[]): Record<string, string | true> {
  const entries = args.map((arg) => {
    const [, flag, value] = /^--([a-z-]+)(?:=(.*))?$/.exec(arg) ?? [];
    if (flag === undefined) throw new Error(`Expected --flag or --flag=value, but got ${arg}`);
    return [flag.replaceAll(/-(.)/g, (_, letter: string) => letter.toUpperCase()), value ?? true] as const;
  });
  return Object.fromEntries(entries);
}
