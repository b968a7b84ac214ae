import { findModel } from '../../coordinator/run/saved-model.ts';
import type { EvaluationReport } from '../evaluate.ts';
import { NO_ENVIRONMENT } from './environment.ts';
import { type EvaluateNetworkOptions, Network, type PictureInput, type Prediction } from './network.ts';

async function networkOf(named: string): Promise<Network> {
  return new Network(await findModel(named, { env: NO_ENVIRONMENT, print: () => {} }));
}

/**
 * Tries the test set by the weights of a checkpoint, or of the last intact one of a run.
 * @param named a checkpoint's file, a run's directory, its name below runs/, or `latest`
 * @throws CheckpointError if there is no usable checkpoint, and as `Network.evaluate`
 */
export async function evaluate(named: string, options: EvaluateNetworkOptions = {}): Promise<EvaluationReport> {
  return (await networkOf(named)).evaluate(options);
}

/**
 * What the network of a checkpoint, or of a run's last intact one, makes of pictures. Whoever predicts often opens the network once:
 * `openRun(run)`, then `network()`.
 * @param named as of `evaluate`
 * @throws CheckpointError if there is no usable checkpoint, and as `Network.predict`
 */
export async function predict(named: string, pictures: readonly PictureInput[]): Promise<Prediction[]> {
  return (await networkOf(named)).predict(pictures);
}
