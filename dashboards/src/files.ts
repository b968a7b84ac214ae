import type { Dashboard, Panel, RowPanel } from '@grafana/grafana-foundation-sdk/dashboard';
import { clusterDashboard } from './cluster.ts';
import { runsDashboard } from './runs.ts';
import { trainingDashboard } from './training.ts';

/** The text of each file in dashboards/grafana. */
export function dashboardFiles(): Readonly<Record<string, string>> {
  return {
    'runs.json': textOf(runsDashboard()),
    'training.json': textOf(trainingDashboard()),
    'cluster.json': textOf(clusterDashboard()),
  };
}

/** Panels are numbered in their order: links to one of them name the number. */
function textOf(dashboard: Dashboard): string {
  const panels = (dashboard.panels ?? []).map((panel: Panel | RowPanel, index) => ({ ...panel, id: index + 1 }));
  return `${JSON.stringify({ ...dashboard, panels }, null, 2)}\n`;
}
