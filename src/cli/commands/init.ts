// lockstep init rings        a small project: data, a model, train.ts, and Prometheus and Grafana in containers
import { cp, mkdir, readdir, readFile, rename, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { UsageError } from '../../shared/util/errors.ts';
import { callerPath } from '../../shared/util/paths.ts';
import { shownPath, typedPath } from '../../shared/util/shown-path.ts';
import { version } from '../../shared/util/version.ts';
import { printLines } from '../print.ts';

const PACKAGE = new URL('../../../', import.meta.url);
const TEMPLATE = 'templates/project';
/** What the project takes from the package as it is, by its place there. */
const MONITORING = {
  'dashboards/prometheus/rules.yaml': 'monitoring/rules.yaml',
  'dashboards/prometheus/alerts.yaml': 'monitoring/alerts.yaml',
  'dashboards/grafana/runs.json': 'monitoring/grafana/runs.json',
  'dashboards/grafana/training.json': 'monitoring/grafana/training.json',
  'dashboards/grafana/cluster.json': 'monitoring/grafana/cluster.json',
  'dashboards/grafana/provisioning/dashboards': 'monitoring/grafana/provisioning/dashboards',
  'dashboards/grafana/provisioning/datasources/prometheus.yaml':
    'monitoring/grafana/provisioning/datasources/prometheus.yaml',
};

/**
 * `lockstep init [DIR]`: writes a project that runs at once.
 * @returns the exit code
 * @throws UsageError if the folder isn't empty or can't be written
 */
export async function init(named: string | undefined): Promise<number> {
  const folder = callerPath(named ?? '.', process.env);
  await refuseFilled(folder);
  try {
    await copyFrom(TEMPLATE, folder, '.');
    for (const [from, to] of Object.entries(MONITORING)) await copyFrom(from, folder, to);
    // npm leaves .gitignore out of packages.
    await rename(join(folder, 'gitignore'), join(folder, '.gitignore'));
    // Prometheus reads it from its start on.
    await writeFile(join(folder, 'monitoring/targets.json'), '[]\n');
    await setPackage(join(folder, 'package.json'), basename(folder));
  } catch (error) {
    throw new UsageError(`${shownPath(folder)} can't be written: ${(error as Error).message}.`, { cause: error });
  }
  const enter = named === undefined ? [] : [`cd ${typedPath(folder)}`];
  printLines([
    `Wrote a project to ${shownPath(folder)}. Next:`,
    ...[...enter, 'npm install', 'npm start'].map((line) => `  ${line}`),
  ]);
  return 0;
}

async function refuseFilled(folder: string): Promise<void> {
  const names = await readdir(folder).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return [];
    throw new UsageError(`${shownPath(folder)}: expected a folder, but it can't be read (${error.code}).`);
  });
  const [first] = names.filter((name) => name !== '.git');
  if (first === undefined) return;
  throw new UsageError(`${shownPath(folder)} isn't empty (it holds ${first}). Name a new folder: lockstep init DIR.`);
}

async function copyFrom(from: string, folder: string, to: string): Promise<void> {
  const target = join(folder, to);
  await mkdir(join(target, '..'), { recursive: true });
  await cp(fileURLToPath(new URL(from, PACKAGE)), target, { recursive: true });
}

/** The project's name, and this version of Lockstep. */
async function setPackage(file: string, folder: string): Promise<void> {
  const project = JSON.parse(await readFile(file, 'utf8')) as { name: string; dependencies: Record<string, string> };
  const name = folder
    .toLowerCase()
    .replace(/[^a-z0-9-]+/g, '-')
    .replace(/^-+|-+$/g, '');
  if (name !== '') project.name = name;
  project.dependencies.lockstep = `^${version()}`;
  await writeFile(file, `${JSON.stringify(project, undefined, 2)}\n`);
}
