// What lies in dashboards/, as Grafana and Prometheus read it.
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

/** From dist/tests/dashboards. */
const FOLDER = new URL('../../../dashboards/', import.meta.url);

export function pathOf(file: string): string {
  return fileURLToPath(new URL(file, FOLDER));
}

export function textOf(file: string): string {
  return readFileSync(pathOf(file), 'utf8');
}

/** The rules as objects of the Prometheus Operator. */
export function kubernetesRules(): string {
  return readFileSync(new URL('../deploy/kubernetes/overlays/monitoring/rules.yaml', FOLDER), 'utf8');
}

export interface GridPosition {
  readonly x: number;
  readonly y: number;
  readonly w: number;
  readonly h: number;
}

export interface Target {
  readonly refId: string;
  readonly expr: string;
  readonly instant?: boolean;
  readonly interval?: string;
  readonly datasource?: { readonly uid: string };
}

export interface Panel {
  readonly id: number;
  readonly type: string;
  readonly title: string;
  readonly description?: string;
  readonly gridPos: GridPosition;
  readonly datasource?: { readonly uid: string };
  readonly targets?: readonly Target[];
  readonly fieldConfig?: { readonly defaults: { readonly unit?: string } };
  readonly options?: {
    readonly graphMode?: string;
    readonly legend?: { readonly displayMode: string; readonly calcs?: readonly string[] };
  };
}

export interface Variable {
  readonly name: string;
  readonly type: string;
  readonly label: string;
  readonly query: string;
  readonly refresh?: number;
  readonly multi?: boolean;
  readonly includeAll?: boolean;
  readonly allValue?: string;
  readonly datasource?: { readonly uid: string };
}

export interface Annotation {
  readonly name: string;
  readonly expr: string;
  readonly step: string;
  readonly datasource: { readonly uid: string };
}

export interface Dashboard {
  readonly uid: string;
  readonly title: string;
  readonly description: string;
  readonly editable: boolean;
  readonly tags: readonly string[];
  readonly panels: readonly Panel[];
  readonly templating: { readonly list: readonly Variable[] };
  readonly annotations: { readonly list: readonly Annotation[] };
  readonly links: readonly { readonly type: string; readonly tags: readonly string[] }[];
}

export const DASHBOARDS = ['runs.json', 'training.json', 'cluster.json'] as const;

export function dashboardOf(file: string): Dashboard {
  return JSON.parse(textOf(`grafana/${file}`));
}

/** Panels that show something: no rows. */
export function shown({ panels }: Dashboard): readonly Panel[] {
  return panels.filter(({ type }) => type !== 'row');
}

/** A query of a dashboard, and where it stands. */
export interface Query {
  readonly where: string;
  readonly expression: string;
  readonly instant: boolean;
}

export function queriesOf(dashboard: Dashboard): Query[] {
  const panels = shown(dashboard).flatMap(({ title, targets = [] }) =>
    targets.map(({ refId, expr, instant = false }) => ({
      where: `${dashboard.title}, ${title}, ${refId}`,
      expression: expr,
      instant,
    })),
  );
  const annotations = dashboard.annotations.list.map(({ name, expr }) => ({
    where: `${dashboard.title}, annotation ${name}`,
    expression: expr,
    instant: false,
  }));
  return [...panels, ...annotations];
}
