// The dashboards' and rules' expressions over a real run: two nodes, one of which is killed, watched by a real Prometheus with
// dashboards/prometheus/prometheus.yaml.
import assert from 'node:assert/strict';
import { cpSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { parse, stringify } from 'yaml';
import { newToken } from '#src/shared/protocol/token.js';
import { within } from '../chaos/deadline.ts';
import { type Prometheus, skip, startPrometheus } from '../prometheus/server.ts';
import { DATA, type Ended, type Program, startLockstep } from '../training/program.ts';
import { DASHBOARDS, dashboardOf, pathOf, type Query, queriesOf, textOf } from './read.ts';
import { filled, hasData, type Span } from './evaluate.ts';

/** Prometheus scrapes this often here: the run is short. */
const SCRAPE_SECONDS = 1;
const DATA_MS = 180_000;

/** What need not have data in a run without the fault that it tells of, and why. */
const MAY_BE_EMPTY: readonly (readonly [where: RegExp, why: string])[] = [];

const folder = mkdtempSync(join(tmpdir(), 'lockstep-dashboards-'));
const started: Program[] = [];

function start(...args: readonly string[]): Program {
  const program = startLockstep(args);
  started.push(program);
  return program;
}

/** Our configuration, at the shorter interval; the target is told once the run says its port. */
function configuration(targets: string): string {
  const config = parse(textOf('prometheus/prometheus.yaml'));
  config.global = { scrape_interval: `${SCRAPE_SECONDS}s`, evaluation_interval: `${SCRAPE_SECONDS}s` };
  config.rule_files = config.rule_files.map((file: string) => pathOf(`prometheus/${file}`));
  const [{ static_configs: _, ...job }] = config.scrape_configs;
  config.scrape_configs = [{ ...job, file_sd_configs: [{ files: [targets] }] }];
  return stringify(config);
}
