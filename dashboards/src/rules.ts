// The rules of dashboards/prometheus as objects of the Prometheus Operator.
import { readFileSync } from 'node:fs';

const FILES = ['rules', 'alerts'] as const;

/** The text of deploy/kubernetes/overlays/monitoring/rules.yaml. */
export function prometheusRules(): string {
  const objects = FILES.map((name) => prometheusRule(name, textOf(name)));
  return `# Made of dashboards/prometheus by: npm run dashboards\n${objects.join('---\n')}`;
}

function textOf(name: string): string {
  return readFileSync(new URL(`../../../dashboards/prometheus/${name}.yaml`, import.meta.url), 'utf8');
}

/** The file with its comments, indented. */
function prometheusRule(name: string, text: string): string {
  return `apiVersion: monitoring.coreos.com/v1
kind: PrometheusRule
metadata:
  name: lockstep-${name}
spec:
${text.replaceAll(/^(?=.)/gm, '  ')}`;
}
