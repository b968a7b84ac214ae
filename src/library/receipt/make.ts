import { readManifest } from '../../coordinator/run/manifest.ts';
import { namedSetOf } from '../../shared/data/registry.ts';
import { UsageError } from '../../shared/util/errors.ts';
import { shownPath } from '../../shared/util/shown-path.ts';
import { checkFiles } from '../verify/check-files.ts';
import { type Receipt, receiptOf } from './receipt.ts';
import { signed } from './signature.ts';

/**
 * Makes the receipt of a run, whose files it first checks against each other.
 * @param keyFile a private key that signs it
 * @throws UsageError if the run hasn't ended, its files contradict each other, or the key can't be used; RunDirectoryError if run.json
 * can't be used
 */
export async function makeReceipt(run: string, keyFile: string | undefined): Promise<Receipt> {
  const manifest = await readManifest(run);
  const receipt = receiptOf(manifest, shownPath(run));
  const dataset = namedSetOf(manifest.digests.dataset)?.name ?? manifest.dataset;
  const { same } = await checkFiles({ run, manifest, dataset });
  if (!same) {
    throw new UsageError(
      `${shownPath(run)}: its files contradict each other, so nobody could reproduce its receipt. \`verify\` says where.`,
    );
  }
  return keyFile === undefined ? receipt : signed(receipt, keyFile);
}
