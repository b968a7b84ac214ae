// What the kubelet makes of a pod's spec for the container runtime: arguments, environment and security context.
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { find, type Manifest } from '../manifests.ts';
import type { ConfigMap, PodSpec, Variable } from './objects.ts';
import type { HostMount } from './volumes.ts';

const SHARES_PER_CPU = 1024;
const BYTES: Readonly<Record<string, number>> = { Ki: 2 ** 10, Mi: 2 ** 20, Gi: 2 ** 30 };

/** A pod that a controller has made of its template. */
export interface PodIdentity {
  readonly name: string;
  readonly hostname: string;
  readonly labels: Readonly<Record<string, string>>;
}

export interface SandboxOptions {
  readonly identity: PodIdentity;
  readonly logs: string;
  readonly cgroup: string;
}

/** The message PodSandboxConfig. */
export function sandboxConfig(spec: PodSpec, { identity, logs, cgroup }: SandboxOptions): object {
  const { name, hostname, labels } = identity;
  return {
    metadata: { name, uid: randomUUID(), namespace: 'training' },
    hostname,
    logDirectory: logs,
    labels,
    linux: { cgroupParent: cgroup, securityContext: userOf(spec) },
  };
}

export interface ContainerOptions {
  readonly objects: readonly Manifest[];
  readonly identity: PodIdentity;
  readonly mounts: readonly HostMount[];
}

/** The message ContainerConfig of the pod's only container. */
export function containerConfig(spec: PodSpec, { objects, identity, mounts }: ContainerOptions): object {
  assert.ok(
    spec.containers.length === 1 && !spec.initContainers && !spec.hostNetwork,
    'the pod has one container alone',
  );
  // Else there were a variable for each Service.
  assert.equal(spec.enableServiceLinks, false);
  const [{ name, image, command = [], args = [], resources, securityContext = {} }] = spec.containers;
  const variables = environment(spec, objects, identity.labels);
  const expanded = (words: readonly string[]): string[] => words.map((word) => expand(word, variables));
  return {
    metadata: { name },
    image: { image },
    command: expanded(command),
    args: expanded(args),
    envs: [...variables].map(([key, value]) => ({ key, value })),
    mounts,
    logPath: `${name}.log`,
    linux: {
      resources: {
        cpuShares: Math.ceil(quantity(resources.requests.cpu) * SHARES_PER_CPU),
        memoryLimitInBytes: quantity(resources.limits.memory),
      },
      securityContext: {
        ...userOf(spec),
        capabilities: {
          addCapabilities: securityContext.capabilities?.add ?? [],
          dropCapabilities: securityContext.capabilities?.drop ?? [],
        },
        readonlyRootfs: securityContext.readOnlyRootFilesystem ?? false,
        noNewPrivs: securityContext.allowPrivilegeEscalation === false,
      },
    },
  };
}

function userOf({ securityContext }: PodSpec): object {
  const { runAsNonRoot, runAsUser, runAsGroup, fsGroup, seccompProfile } = securityContext;
  assert.ok(!runAsNonRoot || runAsUser !== 0, 'the user is not root');
  return {
    namespaceOptions: { pid: 'CONTAINER' },
    runAsUser: { value: runAsUser },
    runAsGroup: { value: runAsGroup },
    supplementalGroups: [fsGroup],
    seccomp: { profileType: seccompProfile?.type ?? 'Unconfined' },
  };
}

function environment(spec: PodSpec, objects: readonly Manifest[], labels: PodIdentity['labels']): Map<string, string> {
  const [{ env = [], envFrom = [], resources }] = spec.containers;
  const variables = new Map<string, string>();
  for (const { configMapRef } of envFrom) {
    const { data } = find<ConfigMap>(objects, 'ConfigMap', configMapRef.name);
    for (const [key, value] of Object.entries(data)) variables.set(key, value);
  }
  for (const { name, value = '', valueFrom } of env) {
    variables.set(name, valueFrom ? reference(valueFrom, resources.requests, labels) : expand(value, variables));
  }
  return variables;
}

function reference(
  { fieldRef, resourceFieldRef }: NonNullable<Variable['valueFrom']>,
  requests: Readonly<Record<string, string>>,
  labels: PodIdentity['labels'],
): string {
  const [, label] = /^metadata\.labels\['(.+)'\]$/.exec(fieldRef?.fieldPath ?? '') ?? [];
  if (label !== undefined) return labels[label] ?? '';
  const [, resource] = /^requests\.(.+)$/.exec(resourceFieldRef?.resource ?? '') ?? [];
  assert.ok(resource, `a reference to labels or requests: ${JSON.stringify({ fieldRef, resourceFieldRef })}`);
  return String(Math.ceil(quantity(requests[resource])));
}

/** Puts variables in the places of $(NAME). What names none stays; $$ stands for $. */
function expand(text: string, variables: ReadonlyMap<string, string>): string {
  return text.replace(/\$\$|\$\(([\w.-]+)\)/g, (all, name?: string) => {
    return name === undefined ? '$' : (variables.get(name) ?? all);
  });
}

/** A quantity such as 1, 500m or 512Mi. */
function quantity(text: string | undefined): number {
  const [, number, unit = ''] = /^([\d.]+)(\D*)$/.exec(text ?? '') ?? [];
  const factor = unit === '' ? 1 : unit === 'm' ? 1e-3 : BYTES[unit];
  assert.ok(number !== undefined && factor !== undefined, `${text} is a quantity`);
  return Number(number) * factor;
}
