// The volumes of a pod as folders of this machine, with the owners and modes that the kubelet gives them.
import { chmodSync, chownSync, existsSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { find, type Manifest } from '../manifests.ts';
import type { PodSpec, Secret, SecretSource, Volume } from './objects.ts';

const DEFAULT_SECRET_MODE = 0o644;
/** Set by an fsGroup: files that are made in the folder are of the group too. */
const SHARED_FOLDER_MODE = 0o2775;

export interface HostMount {
  readonly containerPath: string;
  readonly hostPath: string;
  readonly readonly: boolean;
}

export interface VolumeOptions {
  readonly objects: readonly Manifest[];
  /** Of the pod: its volumes end with it. */
  readonly folder: string;
  /** Of all pods: persistent volumes, by the names of their claims. */
  readonly claims: string;
}

/** Makes the volumes. @returns where the container has them */
export function makeVolumes(spec: PodSpec, { objects, folder, claims }: VolumeOptions): HostMount[] {
  const group = spec.securityContext.fsGroup;
  const made = new Map<string, string>();
  for (const volume of spec.volumes ?? []) {
    if (volume.persistentVolumeClaim) {
      made.set(volume.name, sharedFolder(join(claims, volume.persistentVolumeClaim.claimName), group));
    } else if (volume.emptyDir) {
      made.set(volume.name, sharedFolder(join(folder, volume.name), group));
    } else {
      made.set(volume.name, secretFolder(join(folder, volume.name), { volume, objects, group }));
    }
  }
  return (spec.containers[0].volumeMounts ?? []).map(({ name, mountPath, subPath, readOnly = false }) => {
    const volume = made.get(name);
    if (volume === undefined) throw new Error(`There is no volume ${name}`);
    const source = subPath === undefined ? volume : sharedFolder(join(volume, subPath), group);
    return { containerPath: mountPath, hostPath: source, readonly: readOnly };
  });
}

/** @returns the path */
export function sharedFolder(path: string, group: number): string {
  if (existsSync(path)) return path;
  mkdirSync(path, { recursive: true });
  chownSync(path, 0, group);
  chmodSync(path, SHARED_FOLDER_MODE);
  return path;
}

interface SecretFolder {
  readonly volume: Volume;
  readonly objects: readonly Manifest[];
  readonly group: number;
}

/** Files are links into a folder that is replaced as a whole when the secret changes. */
function secretFolder(path: string, { volume, objects, group }: SecretFolder): string {
  const { secret, projected } = volume;
  const sources = projected?.sources.map((source) => source.secret) ?? [{ name: secret?.secretName ?? '', ...secret }];
  const mode = (projected ?? secret)?.defaultMode ?? DEFAULT_SECRET_MODE;
  const version = join(path, '..1');
  mkdirSync(version, { recursive: true });
  symlinkSync('..1', join(path, '..data'));
  for (const source of sources) {
    for (const [name, bytes] of filesOf(source, objects)) {
      const file = join(version, name);
      writeFileSync(file, bytes);
      chownSync(file, 0, group);
      chmodSync(file, mode);
      symlinkSync(join('..data', name), join(path, name));
    }
  }
  return path;
}

function filesOf(
  { name, items }: SecretSource & { readonly name: string },
  objects: readonly Manifest[],
): [string, Buffer][] {
  const { data } = find<Secret>(objects, 'Secret', name);
  const all = items ?? Object.keys(data).map((key) => ({ key, path: key }));
  return all.map(({ key, path }) => {
    const value = data[key];
    if (value === undefined) throw new Error(`The Secret ${name} has no ${key}`);
    return [path, Buffer.from(value, 'base64')];
  });
}
