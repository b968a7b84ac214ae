import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { ALERTMANAGER } from '../support/alertmanager-server.ts';
import { type Program, startProgram } from '../support/program.ts';
import type { Compose, Image, Service } from './file.ts';
import { type Mount, Place } from './place.ts';

const SECRETS = '/run/secrets';

export interface ContainersOptions {
  /** Where volumes and the containers' own files go. */
  readonly folder: string;
  /** The folder of compose.yaml, with its secrets made. */
  readonly project: string;
  readonly compose: Compose;
  /** That of the services with `build`. */
  readonly image: Image;
  /** What the image has at each path that matters. */
  readonly imageFiles: readonly Mount[];
  /** The port of this machine for each port of a container. */
  readonly ports: ReadonlyMap<string, number>;
}

/** A container as a process of this machine: its command, environment, files and health check, in its place. */
export interface Container {
  readonly name: string;
  readonly program: Program;
  /** Its health check, once. */
  isHealthy(): Promise<boolean>;
}

/** The services of a compose file, started side by side without containers. */
export class Containers {
  readonly #options: ContainersOptions;
  readonly #running = new Map<string, Container[]>();

  constructor(options: ContainersOptions) {
    this.#options = options;
  }

  get all(): readonly Container[] {
    return [...this.#running.values()].flat();
  }

  /** Starts a service behind those that it depends on, each awaited as its condition asks. @returns its containers */
  async up(name: string, scale = 1): Promise<readonly Container[]> {
    const running = this.#running.get(name);
    if (running !== undefined) return running;
    const service = this.#service(name);
    for (const [dependency, { condition }] of Object.entries(service.depends_on ?? {})) {
      const [first] = await this.up(dependency);
      assert.equal(condition, 'service_healthy', `${name} waits for ${dependency}`);
      await becomesHealthy(first as Container);
    }
    const started = Array.from({ length: scale }, () => this.#start(name, service));
    this.#running.set(name, started);
    return started;
  }

  /** Sends a signal to a service's containers. @returns their exit codes once they have ended */
  async stop(name: string, signal: NodeJS.Signals = 'SIGTERM'): Promise<(number | null)[]> {
    const containers = this.#running.get(name) ?? [];
    for (const { program } of containers) program.signal(signal);
    return this.ended(name);
  }

  /** The exit codes of a service's containers, once they have ended by themselves. */
  async ended(name: string): Promise<(number | null)[]> {
    const containers = this.#running.get(name) ?? [];
    const ends = await Promise.all(containers.map(({ program }) => program.ended));
    this.#running.delete(name);
    return ends.map(({ status }) => status);
  }

  #service(name: string): Service {
    const service = this.#options.compose.services[name];
    assert.ok(service, `compose.yaml has a service ${name}`);
    return service;
  }

  #start(name: string, service: Service): Container {
    const { folder, image, ports } = this.#options;
    const place = new Place(mkdtempSync(join(folder, `${name}-`)), this.#mounts(service), ports);
    const isOurs = service.build !== undefined;
    const command = [
      ...(isOurs ? image.entrypoint : [name === 'alertmanager' ? ALERTMANAGER : name]),
      ...(service.command ?? []),
    ].map((word) =>
      // Nobody else's business: this service asks for no token.
      place.rewrite(isOurs ? word : word.replace('0.0.0.0', '127.0.0.1')),
    );
    const given = { ...(isOurs ? image.environment : {}), ...service.environment };
    // YAML reads what compose takes for text: 1 as a number, nothing as null.
    const rewritten = Object.entries(given).map(([key, value]) => [key, place.rewrite(String(value ?? ''))]);
    const env = { PATH: process.env.PATH, ...Object.fromEntries(rewritten) };
    const cwd = place.path(isOurs ? image.workdir : '/');
    mkdirSync(cwd, { recursive: true });
    const test = service.healthcheck.test?.map((word) => place.rewrite(word));
    return {
      name,
      program: startProgram(ownNode(command), { env, cwd }),
      isHealthy: async () => {
        assert.ok(test?.[0] === 'CMD', `${name} has a health check`);
        const [file, ...args] = ownNode(test.slice(1)) as [string, ...string[]];
        const [status] = await once(spawn(file, args, { env, cwd, stdio: 'ignore' }), 'close');
        return status === 0;
      },
    };
  }

  #mounts({ build, volumes = [], secrets = [] }: Service): Mount[] {
    const { project, compose, imageFiles } = this.#options;
    return [
      ...(build === undefined ? [] : imageFiles),
      ...secrets.map((name) => ({
        source: resolve(project, compose.secrets[name]?.file as string),
        target: `${SECRETS}/${name}`,
      })),
      ...volumes.map((volume) => {
        const [source, target] = volume.split(':') as [string, string];
        return { source: source.startsWith('.') ? resolve(project, source) : this.#volume(source), target };
      }),
    ];
  }

  #volume(name: string): string {
    assert.ok(name in this.#options.compose.volumes, `compose.yaml has a volume ${name}`);
    const path = join(this.#options.folder, 'volumes', name);
    mkdirSync(path, { recursive: true });
    return path;
  }
}

/** The Node that runs the tests, in place of the image's. */
function ownNode([first, ...rest]: readonly string[]): readonly string[] {
  return [first === 'node' ? process.execPath : (first as string), ...rest];
}

/** Asks over and over, as the engine does at its interval. @throws where it ends */
async function becomesHealthy(container: Container): Promise<void> {
  let ended = false;
  void container.program.ended.then(() => {
    ended = true;
  });
  while (!(await container.isHealthy())) {
    if (ended) assert.fail(`${container.name} ended:\n${(await container.program.ended).stderr}`);
  }
}
