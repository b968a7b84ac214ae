// node --import ./small-parts.js PROGRAM: lets steps.jsonl become an old part early, so that a short run has many.
import { PART_SIZE } from '#src/coordinator/run/step-parts.js';

PART_SIZE.bytes = 10_000;
