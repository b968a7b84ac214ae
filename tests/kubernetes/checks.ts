// What tools/kubernetes/checks.sh installs, on texts of manifests.
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { stringify } from 'yaml';
import { skip as skipRender } from './render.ts';

/** The folder that tools/kubernetes/checks.sh has filled. */
const GIVEN = process.env.KUBERNETES_CHECKS ?? '';
const FOLDER = resolve(process.env.INIT_CWD ?? '.', GIVEN);

/** For tests with these programs: false, or why they are skipped. */
export const skip = process.env.CI === 'true' ? false : reasonToSkip();

function reasonToSkip(): string | false {
  if (GIVEN === '') return 'KUBERNETES_CHECKS names no folder that tools/kubernetes/checks.sh has filled';
  const answers = (program: string, ...args: readonly string[]): boolean => spawnSync(program, args).status === 0;
  if (skipRender !== false) return skipRender;
  return answers('promtool', '--version') ? false : "promtool, of Debian's package prometheus, is not installed";
}

/** What kubeconform finds wrong, as `Kind name: …`. No kind is left out. */
export function schemaFaults(text: string): string[] {
  const schemas = join(FOLDER, 'schemas', '{{.ResourceKind}}{{.KindSuffix}}.json');
  const args = ['-strict', '-verbose', '-output', 'json', '-schema-location', schemas, '-'];
  const { stdout, error } = spawnSync(join(FOLDER, 'kubeconform'), args, { encoding: 'utf8', input: text });
  if (error !== undefined) throw error;
  const { resources } = JSON.parse(stdout) as { resources: readonly Resource[] };
  const expected = text.split(/^---$/m).length;
  const faults = resources.filter(({ status }) => status !== 'statusValid');
  return [
    ...(resources.length === expected ? [] : [`${resources.length} objects of ${expected} were checked`]),
    ...faults.map(({ kind, name, msg }) => `${kind} ${name}: ${msg}`),
  ];
}

/** One of kubeconform's findings. */
interface Resource {
  readonly kind: string;
  readonly name: string;
  readonly status: string;
  readonly msg: string;
}

/** What promtool finds wrong in the spec of a PrometheusRule; '' if nothing. */
export function ruleFaults(spec: unknown): string {
  const folder = mkdtempSync(join(tmpdir(), 'lockstep-rules-'));
  try {
    const file = join(folder, 'rules.yaml');
    writeFileSync(file, stringify(spec));
    const args = ['check', 'rules', '--lint=all', '--lint-fatal', file];
    const { status, stdout, stderr, error } = spawnSync('promtool', args, { encoding: 'utf8' });
    if (error !== undefined) throw error;
    return status === 0 ? '' : stdout + stderr;
  } finally {
    rmSync(folder, { recursive: true });
  }
}
