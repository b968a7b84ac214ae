import { flagOf } from '../../shared/config/schema.ts';
import type { ResolvedTrainConfig } from '../../shared/config.ts';
import { UsageError } from '../../shared/errors.ts';
import { readToken, type Token } from '../../shared/protocol/token.ts';
import { isLoopback } from './loopback.ts';

const TOKEN_VARIABLE = 'LOCKSTEP_METRICS_TOKEN';

/** Where the metrics are served, and to whom. */
export interface MetricsAddress {
  readonly host: string;
  readonly port: number;
  /** The port was asked for. */
  readonly explicit: boolean;
  readonly token: Token | undefined;
}

/**
 * What --metrics-port and its companions say; undefined where there are no metrics. Read before anything else is begun.
 * @throws UsageError where strangers could read them, or the token can't be read
 */
export async function metricsAddressOf(
  { config, explicit }: ResolvedTrainConfig,
  env: NodeJS.ProcessEnv,
): Promise<MetricsAddress | undefined> {
  const { metricsPort: port, metricsHost: host, metricsTokenFile: file } = config;
  if (port === 'off') return undefined;
  const token = await readToken({ file, env, variable: TOKEN_VARIABLE });
  if (token === undefined && !isLoopback(host)) {
    throw new UsageError(
      `${flagOf('metricsHost')} ${host}: anybody who reaches it could read the metrics. Make a token by \`lockstep token > token\` ` +
        `and give it by ${flagOf('metricsTokenFile')} or $${TOKEN_VARIABLE}, or stay on 127.0.0.1.`,
    );
  }
  return { host, port, explicit: explicit.has('metricsPort'), token };
}
