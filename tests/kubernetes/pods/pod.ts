import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { eventually } from '../../support/eventually.ts';
import type { Containerd } from './containerd.ts';
import type { PodSpec } from './objects.ts';

const DEFAULT_GRACE_SECONDS = 30;
const DEFAULT_PROBE_SECONDS = 1;
/** Exits with 0 if a probe of that URL, within that many seconds, succeeds. */
const PROBE = `
const [url, seconds] = process.argv.slice(1);
const { status } = await fetch(url, { signal: AbortSignal.timeout(seconds * 1000), redirect: 'manual' });
process.exit(status >= 200 && status < 400 ? 0 : 1);`;

interface Status {
  readonly state: string;
  readonly exitCode: number;
  readonly reason: string;
}

interface Output {
  readonly exitCode: number;
  /** In base64. */
  readonly stdout: string;
  readonly stderr: string;
}

export interface PodOptions {
  readonly containerd: Containerd;
  readonly spec: PodSpec;
  readonly hostname: string;
  readonly ip: string;
  readonly sandbox: string;
  readonly container: string;
  readonly logFile: string;
}

/** A pod whose only container was started. */
export class Pod {
  readonly hostname: string;
  readonly ip: string;
  readonly spec: PodSpec;
  readonly #options: PodOptions;

  constructor(options: PodOptions) {
    this.#options = options;
    this.hostname = options.hostname;
    this.ip = options.ip;
    this.spec = options.spec;
  }

  /** What its container printed. */
  get log(): string {
    // Before each line: when, to which stream, and whether it is whole.
    return readFileSync(this.#options.logFile, 'utf8').replace(/^\S+ std\w+ [FP] /gm, '');
  }

  /** Waits until its container has printed what matches. @returns that @throws AssertionError if it ends without */
  async said(pattern: RegExp): Promise<RegExpExecArray> {
    return eventually(
      () => `${this.hostname} prints ${pattern}, but it printed:\n${this.log}`,
      async () => {
        const { state } = await this.#status();
        const found = pattern.exec(this.log);
        assert.ok(
          found !== null || state !== 'CONTAINER_EXITED',
          `${this.hostname} ended without ${pattern}:\n${this.log}`,
        );
        return found ?? undefined;
      },
    );
  }

  /** Runs a command in the container. @returns what it prints @throws AssertionError if it fails */
  async exec(cmd: readonly string[]): Promise<string> {
    const { exitCode, stdout, stderr } = await this.tryExec(cmd);
    assert.equal(exitCode, 0, `${cmd.join(' ')}: ${stderr}`);
    return stdout;
  }

  async tryExec(cmd: readonly string[]): Promise<Output> {
    const output = await this.#call<Output>('ExecSync', { containerId: this.#options.container, cmd });
    const [stdout, stderr] = [output.stdout, output.stderr].map((text) => Buffer.from(text, 'base64').toString());
    return { exitCode: output.exitCode, stdout: stdout ?? '', stderr: stderr ?? '' };
  }

  /** Whether that probe of its container, if it has one, succeeds from the node. */
  async probe(kind: 'startupProbe' | 'livenessProbe' | 'readinessProbe'): Promise<boolean> {
    const [container] = this.spec.containers;
    const probe = container[kind];
    if (probe === undefined) return true;
    const { path, port } = probe.httpGet;
    const number = container.ports?.find(({ name }) => name === port)?.containerPort ?? port;
    const seconds = String(probe.timeoutSeconds ?? DEFAULT_PROBE_SECONDS);
    const command = ['--input-type=module', '-e', PROBE, `http://${this.ip}:${number}${path}`, seconds];
    return (await this.#options.containerd.inNetwork([process.execPath, ...command])) === 0;
  }

  async becomesReady(): Promise<void> {
    for (const kind of ['startupProbe', 'readinessProbe', 'livenessProbe'] as const) {
      await eventually(
        () => `the ${kind} of ${this.hostname} succeeds, but it printed:\n${this.log}`,
        () => this.probe(kind),
      );
    }
  }

  /** Waits until the container has ended by itself. @returns its exit code */
  async ended(): Promise<number> {
    return eventually(
      () => `${this.hostname} ends, but it printed:\n${this.log}`,
      async () => {
        const { state, exitCode } = await this.#status();
        return state === 'CONTAINER_EXITED' ? exitCode : undefined;
      },
    );
  }

  /** SIGKILL to its first process, with which all others end. @returns the exit code */
  async kill(): Promise<number> {
    this.#options.containerd.ctr(['tasks', 'kill', '--signal', 'SIGKILL', this.#options.container]);
    return this.ended();
  }

  /** SIGTERM, and SIGKILL after the grace period, as when the pod is deleted. @returns the exit code */
  async terminate(): Promise<number> {
    const timeout = this.spec.terminationGracePeriodSeconds ?? DEFAULT_GRACE_SECONDS;
    await this.#call('StopContainer', { containerId: this.#options.container, timeout });
    return this.ended();
  }

  /** Its container, network and host name. */
  async remove(): Promise<void> {
    const request = { podSandboxId: this.#options.sandbox };
    await this.#call('StopPodSandbox', request);
    await this.#call('RemovePodSandbox', request);
  }

  async #status(): Promise<Status> {
    const request = { containerId: this.#options.container };
    return (await this.#call<{ status: Status }>('ContainerStatus', request)).status;
  }

  #call<T>(method: string, request: object): Promise<T> {
    return this.#options.containerd.cri.call<T>(`RuntimeService/${method}`, request);
  }
}
