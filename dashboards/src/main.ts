// Writes dashboards/grafana/*.json: npm run dashboards
import { writeFileSync } from 'node:fs';
import { dashboardFiles } from './files.ts';

for (const [name, text] of Object.entries(dashboardFiles())) {
  writeFileSync(new URL(`../../../dashboards/grafana/${name}`, import.meta.url), text);
}
