import { availableParallelism } from 'node:os';
export function processorCount(): number {
  return availableParallelism();
}
