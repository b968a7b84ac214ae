// What objects call by name or choose by labels: schemas say nothing of it, and a suffix or a label may miss one of them.
import { type Manifest, podOf } from './manifests.ts';

type Labels = Readonly<Record<string, string>>;

/** A name, as Kind name. */
function named(kind: string, name: string): string {
  return `${kind} ${name}`;
}

/** @returns what is named or chosen, and isn't there. @param others such as those of the namespace */
export function danglingReferences(manifests: readonly Manifest[], others: readonly string[]): string[] {
  const there = new Set([...manifests.map(({ kind, metadata }) => named(kind, metadata.name)), ...others]);
  const pods = manifests.map(podOf).filter((pod) => pod !== undefined);
  return manifests.flatMap((manifest) => {
    const missing = namesIn(manifest).filter((name) => !there.has(name));
    const empty = selectorsIn(manifest).filter(
      (selector) => !pods.some(({ metadata }) => chooses(selector, metadata.labels)),
    );
    return [...missing, ...empty.map((selector) => `pods with ${JSON.stringify(selector)}`)].map(
      (what) => `${named(manifest.kind, manifest.metadata.name)}: ${what}`,
    );
  });
}

/** @returns what chooses pods of another run. @param others that run's objects */
export function choicesOutside(manifests: readonly Manifest[], others: readonly Manifest[]): string[] {
  const pods = others.map(podOf).filter((pod) => pod !== undefined);
  return manifests
    .filter((manifest) =>
      selectorsIn(manifest).some((selector) => pods.some(({ metadata }) => chooses(selector, metadata.labels))),
    )
    .map(({ kind, metadata }) => named(kind, metadata.name));
}

function namesIn({ kind, spec, ...manifest }: Manifest): string[] {
  if (kind === 'HorizontalPodAutoscaler') return [named(spec.scaleTargetRef.kind, spec.scaleTargetRef.name)];
  if (kind === 'PodMonitor') return [named('Secret', spec.podMetricsEndpoints[0].authorization.credentials.name)];
  const pod = kind === 'Pod' ? spec : podOf({ kind, spec, ...manifest })?.spec;
  return pod === undefined ? [] : namesInPod(pod);
}

function namesInPod({ serviceAccountName, priorityClassName, containers, volumes }: Manifest['spec']): string[] {
  const [{ envFrom = [] }] = containers;
  return [
    named('ServiceAccount', serviceAccountName),
    ...(priorityClassName === undefined ? [] : [named('PriorityClass', priorityClassName)]),
    ...envFrom.map(({ configMapRef }: Manifest) => named('ConfigMap', configMapRef.name)),
    ...volumes.flatMap(namesInVolume),
  ];
}

function namesInVolume({ secret, projected, persistentVolumeClaim }: Manifest): string[] {
  return [
    ...(secret === undefined ? [] : [named('Secret', secret.secretName)]),
    ...(projected?.sources ?? []).map((source: Manifest) => named('Secret', source.secret.name)),
    ...(persistentVolumeClaim === undefined ? [] : [named('PersistentVolumeClaim', persistentVolumeClaim.claimName)]),
  ];
}

function selectorsIn({ kind, spec }: Manifest): Labels[] {
  switch (kind) {
    case 'Service':
      return [spec.selector];
    case 'Deployment':
    case 'PodDisruptionBudget':
    case 'PodMonitor':
      return [spec.selector.matchLabels];
    case 'NetworkPolicy':
      return [spec.podSelector, ...peersOf(spec)].map(({ matchLabels }) => matchLabels);
    default:
      return [];
  }
}

function peersOf({ ingress = [], egress = [] }: Manifest['spec']): Manifest[] {
  const peers = [...ingress, ...egress].flatMap(({ from = [], to = [] }: Manifest) => [...from, ...to]);
  return peers.flatMap(({ podSelector }: Manifest) => (podSelector === undefined ? [] : [podSelector]));
}

function chooses(selector: Labels, labels: Labels = {}): boolean {
  return Object.entries(selector).every(([label, value]) => labels[label] === value);
}
