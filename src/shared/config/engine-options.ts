import { z } from 'zod';
import { DURATION_TEXT, Duration } from './duration.ts';
import { optionNotes } from './option-notes.ts';

/** As long as names in Kubernetes may be. */
const MAX_LOCK_ID = 253;

const MAX_MINUTES = 1e6;

/** For engines that start runs and start them again, such as Kubernetes and Slurm. */
export const ENGINE_OPTIONS = {
  maxTime: Duration.optional().register(optionNotes, {
    group: 'execution',
    help: 'time after which the run ends with a checkpoint, from the start of the process',
    value: 'time',
    expected: DURATION_TEXT,
    fallback: 'until it is done',
  }),
  maxTimeExitCode: z.int().min(0).max(125).default(0).register(optionNotes, {
    group: 'execution',
    help: 'exit code of a run that --max-time ended, for a script that starts it again',
    value: 'code',
  }),
  checkpointMinutes: z.number().min(0).max(MAX_MINUTES).default(0).register(optionNotes, {
    group: 'output',
    help: 'minutes of training after which a checkpoint is taken at the latest, beside --checkpoint-every; 0: only those',
    value: 'minutes',
  }),
  checkpointCommand: z.string().min(1).optional().register(optionNotes, {
    group: 'output',
    help: 'shell command to run when a checkpoint is on the disk, with {file}, {run} and {step} in it, such as a copy to another place',
    value: 'command',
    fallback: 'nothing is run',
  }),
  notify: z.string().min(1).optional().register(optionNotes, {
    group: 'monitoring',
    help: 'shell command that gets JSON on stdin, or URL to which it is posted, at the end, a failure, a stall and signals',
    value: 'command|url',
    fallback: 'nobody is told',
  }),
  lockId: z.string().min(1).max(MAX_LOCK_ID).optional().register(optionNotes, {
    group: 'output',
    help: 'name that one process has at a time, such as that of a Kubernetes Job: the next one takes the run over at once',
    value: 'name',
    fallback: 'no name',
  }),
};
