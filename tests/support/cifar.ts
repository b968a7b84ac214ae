/** Made-up records as the binary files of CIFAR have them: labels, then an image whose bytes follow from `salt` and its place. */
export function cifarRecords(labels: readonly (readonly number[])[], salt: number): Buffer {
  return Buffer.concat(labels.map((own, i) => Buffer.concat([Buffer.from(own), Buffer.from(cifarImage(salt + i))])));
}

export function cifarImage(salt: number): Uint8Array {
  return Uint8Array.from({ length: 3072 }, (_, i) => (i * 7 + salt * 31) % 256);
}

/** The files of a small CIFAR-10: two samples a training file, four that test. */
export function cifar10Files(): Record<string, Buffer> {
  const train = [1, 2, 3, 4, 5].map((number) => {
    const [a, b] = [2 * number - 2, 2 * number - 1];
    return [`data_batch_${number}.bin`, cifarRecords([[a], [b]], a)] as const;
  });
  return {
    ...Object.fromEntries(train),
    'test_batch.bin': cifarRecords([[9], [0], [3], [3]], 50),
    'batches.meta.txt': Buffer.from('airplane\nautomobile\nbird\ncat\ndeer\ndog\nfrog\nhorse\nship\ntruck\n\n'),
  };
}
