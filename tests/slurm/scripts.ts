import { fileURLToPath } from 'node:url';

const folder = new URL('../../../deploy/slurm/', import.meta.url);

export const SCRIPTS = {
  run: fileURLToPath(new URL('lockstep.sbatch', folder)),
  workers: fileURLToPath(new URL('lockstep-workers.sbatch', folder)),
} as const;
