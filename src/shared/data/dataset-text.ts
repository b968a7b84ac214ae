/** A data set's name for a person, who must not take figures on synthetic digits for MNIST's. */
export function datasetText(name: string): string {
  return name === 'synthetic' ? 'SYNTHETIC digits (not MNIST)' : name;
}
