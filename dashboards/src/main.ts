// Writes dashboards/grafana/*.json and the rules for the Prometheus Operator: npm run dashboards
import { writeFileSync } from 'node:fs';
import { dashboardFiles } from './files.ts';
import { prometheusRules } from './rules.ts';

const ROOT = new URL('../../../', import.meta.url);

for (const [name, text] of Object.entries(dashboardFiles())) {
  writeFileSync(new URL(`dashboards/grafana/${name}`, ROOT), text);
}
writeFileSync(new URL('deploy/kubernetes/overlays/monitoring/rules.yaml', ROOT), prometheusRules());
