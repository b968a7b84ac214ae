import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';

/** Debian calls it by the second name. */
const NAMES = ['alertmanager', 'prometheus-alertmanager'] as const;

function works(name: string): boolean {
  return spawnSync(name, ['--version']).status === 0;
}

/** The program. */
export const ALERTMANAGER: string = NAMES.find(works) ?? NAMES[1];

/** Debian's has its templates here alone, wherever it is unpacked; the vendor's has them in itself. */
const TEMPLATES = '/usr/share/prometheus/alertmanager/default.tmpl';
const isThere = [ALERTMANAGER, 'amtool'].every(works) && (ALERTMANAGER === NAMES[0] || existsSync(TEMPLATES));

/** For tests of a real Alertmanager: false, or why they are skipped. */
export const skip =
  process.env.CI === 'true' || isThere
    ? false
    : "alertmanager and amtool, of Debian's package prometheus-alertmanager, are not installed with their templates";
