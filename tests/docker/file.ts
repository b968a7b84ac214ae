// What docker/compose.yaml and docker/Dockerfile say, as far as processes side by side need it.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse } from 'yaml';

export interface Service {
  readonly image: string;
  readonly build?: object;
  readonly command?: readonly string[];
  readonly environment?: Readonly<Record<string, string | number | null>>;
  readonly secrets?: readonly string[];
  /** SOURCE:TARGET or SOURCE:TARGET:ro */
  readonly volumes?: readonly string[];
  readonly networks: readonly string[];
  readonly ports?: readonly string[];
  readonly depends_on?: Readonly<Record<string, { readonly condition: string }>>;
  readonly healthcheck: { readonly test?: readonly string[]; readonly disable?: boolean };
  readonly restart: string;
  readonly read_only?: boolean;
  readonly cap_drop?: readonly string[];
  readonly security_opt?: readonly string[];
}

export interface Compose {
  readonly services: Readonly<Record<string, Service>>;
  readonly volumes: Readonly<Record<string, object>>;
  readonly secrets: Readonly<Record<string, { readonly file: string }>>;
}

export interface Image {
  readonly entrypoint: readonly string[];
  readonly workdir: string;
  readonly environment: Readonly<Record<string, string>>;
}

/** The compose file of a folder, with variables of its .env, over which `settings` go, in their places. */
export function readCompose(folder: string, settings: Readonly<Record<string, string>> = {}): Compose {
  const lines = readFileSync(join(folder, '.env'), 'utf8').split('\n');
  const defaults = lines.filter((line) => /^\w+=/.test(line)).map((line) => line.split('=', 2));
  const variables: Record<string, string> = { ...Object.fromEntries(defaults), ...settings };
  const text = readFileSync(join(folder, 'compose.yaml'), 'utf8');
  const filled = text.replace(/\$\{(\w+):-([^}]*)\}/g, (_, name: string, fallback) => variables[name] || fallback);
  assert.doesNotMatch(filled, /\$\{/, 'a variable without :-');
  return parse(filled, { merge: true });
}

/** What the last stage of a Dockerfile and those that it is built on say of how to start it. */
export function readImage(dockerfile: string): Image {
  const text = readFileSync(dockerfile, 'utf8').replace(/\\\n\s*/g, '');
  const entrypoint = /^ENTRYPOINT (\[.*\])$/m.exec(text)?.[1];
  const workdir = [...text.matchAll(/^WORKDIR (\S+)$/gm)].at(-1)?.[1];
  const pairs = [...text.matchAll(/^ENV (.*)$/gm)].flatMap(([, line]) => (line as string).split(' '));
  assert.ok(entrypoint !== undefined && workdir !== undefined, 'the Dockerfile has an ENTRYPOINT and a WORKDIR');
  return {
    entrypoint: JSON.parse(entrypoint),
    workdir,
    environment: Object.fromEntries(pairs.map((pair) => pair.split('=', 2))),
  };
}
